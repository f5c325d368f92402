import { fstatSync, write } from 'node:fs'
import type { Writable } from 'node:stream'
import { promisify } from 'node:util'
import { errorMessage } from '../../../errors.js'
import type { DeliveryHealth } from '../delivery-health.js'

/** How much of a chunk was stored. */
export interface Appended {
  /** Bytes, from the chunk's beginning: all of it, or the whole lines that made it. */
  readonly stored: number
  /** Why there are not more. */
  readonly error?: string
}

/** Where the log backend's lines go. One append at a time. */
export interface LogOutput {
  /** Takes a chunk of whole lines. It never rejects. A failure does not end the output: the next append tries again. */
  append(lines: Buffer): Promise<Appended>
  /** It never rejects. */
  close(): Promise<void>
}

const NEWLINE = 0x0a
const writeDescriptor = promisify(write)

/** The process's standard output or standard error, in the way that suits what it is. */
export function standardOutput(fd: 1 | 2 = 1): LogOutput {
  const stat = fstatSync(fd)
  const stream = fd === 1 ? process.stdout : process.stderr
  // A file or /dev/full answers every write at once, and says how much it took. A pipe may be blocked by its reader for
  // ever: a thread that waits in write(2) would keep the process from exiting, a stream does not.
  const blocks = stat.isFIFO() || stat.isSocket() || stream.isTTY
  return blocks ? new StreamOutput(stream) : new DescriptorOutput(fd)
}

/** Writes to a stream that belongs to somebody else and is not ended here. */
export class StreamOutput implements LogOutput {
  readonly #stream: Writable
  // What a write failed with comes to its callback too; unheard, the event would end the process.
  readonly #ignore = () => undefined

  constructor(stream: Writable) {
    this.#stream = stream
    stream.on('error', this.#ignore)
  }

  append(lines: Buffer): Promise<Appended> {
    return new Promise((resolve) => {
      this.#stream.write(lines, (err) =>
        resolve(err ? { stored: 0, error: errorMessage(err) } : { stored: lines.length }),
      )
    })
  }

  close(): Promise<void> {
    this.#stream.off('error', this.#ignore)
    return Promise.resolve()
  }
}

/** Writes to a file descriptor that belongs to somebody else and is not closed here. */
export class DescriptorOutput implements LogOutput {
  readonly #fd: number
  /** The last write ended within a line. */
  #torn = false

  constructor(fd: number) {
    this.#fd = fd
  }

  async append(lines: Buffer): Promise<Appended> {
    let written = 0
    try {
      if (this.#torn) await writeDescriptor(this.#fd, '\n')
      this.#torn = false
      while (written < lines.length) {
        const { bytesWritten } = await writeDescriptor(this.#fd, lines, written)
        if (bytesWritten === 0) throw new Error('nothing could be written')
        written += bytesWritten
      }
      return { stored: written }
    } catch (err) {
      const stored = written > 0 ? lines.lastIndexOf(NEWLINE, written - 1) + 1 : 0
      this.#torn = written > stored
      return { stored, error: errorMessage(err) }
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** The output, with its health kept. */
export function watchOutput(output: LogOutput, health: DeliveryHealth): LogOutput {
  return {
    async append(lines) {
      const result = await output.append(lines)
      if (result.stored === lines.length) health.succeeded()
      else health.failed(result.error ?? 'short write')
      return result
    },
    close: () => output.close(),
  }
}
