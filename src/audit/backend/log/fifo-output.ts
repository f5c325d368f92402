import { close, constants, open } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { errorMessage } from '../../../errors.js'
import type { Appended, LogOutput } from './log-output.js'

/** How often a FIFO that nobody reads is tried, in milliseconds: nothing tells of a reader. */
const RETRY_MS = 250

const openDescriptor = promisify(open)
const closeDescriptor = promisify(close)

/**
 * Writes to a named pipe. open(2) would wait for a reader, and with it a thread and the start: here it is the lines that
 * wait, as for every output that is slow, within LogBackend's bound. When the reader goes, what is under way is lost to it;
 * the lines after that wait for the next reader.
 */
export class FifoOutput implements LogOutput {
  readonly #path: string
  readonly #trouble: (reason: string) => void
  readonly #closed = new AbortController()
  #pipe: Socket | undefined
  /** Nobody has read since that was told. */
  #waits = false

  /** @param trouble told when lines wait because there is no reader */
  constructor(path: string, trouble: (reason: string) => void) {
    this.#path = path
    this.#trouble = trouble
  }

  /** Opens the pipe if it has a reader. Rejects with the system's error where it cannot be written to at all. */
  async open(): Promise<void> {
    const { O_WRONLY, O_NONBLOCK } = constants
    let fd: number
    try {
      fd = await openDescriptor(this.#path, O_WRONLY | O_NONBLOCK)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENXIO') throw err
      if (!this.#waits) this.#trouble(`nobody reads ${this.#path}`)
      this.#waits = true
      return
    }
    this.#waits = false
    try {
      // The socket closes the descriptor.
      this.#pipe = new Socket({ fd, readable: false, writable: true })
    } catch (err) {
      await closeDescriptor(fd)
      throw err
    }
    // What a write fails with comes to its callback too; unheard, the event would end the process.
    this.#pipe.on('error', () => undefined)
  }

  async append(lines: Buffer): Promise<Appended> {
    let pipe: Socket
    try {
      pipe = await this.#opened()
    } catch (err) {
      const error = this.#closed.signal.aborted ? `nobody reads ${this.#path}` : errorMessage(err)
      return { stored: 0, error }
    }
    return new Promise((resolve) => {
      pipe.write(lines, (err) =>
        resolve(err ? { stored: 0, error: errorMessage(err) } : { stored: lines.length }),
      )
    })
  }

  /** The pipe, as soon as it has a reader. */
  async #opened(): Promise<Socket> {
    for (;;) {
      if (this.#pipe?.destroyed === false) return this.#pipe
      await this.open()
      if (this.#waits) await sleep(RETRY_MS, undefined, { signal: this.#closed.signal })
    }
  }

  close(): Promise<void> {
    this.#closed.abort()
    this.#pipe?.destroy()
    return Promise.resolve()
  }
}
