import { open, type FileHandle } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'

const POLL_MS = 25
const CHUNK_BYTES = 64 * 1024

/** Reads a growing file as `tail -f` does, and hands on each line when it is complete. The file may come later. */
export class LogFollower {
  readonly #file: string
  readonly #onLine: (line: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #handle: FileHandle | undefined
  #partial = ''
  #timer: NodeJS.Timeout | undefined
  #polling: Promise<void> | undefined
  #closed = false

  constructor(file: string, onLine: (line: string) => void) {
    this.#file = file
    this.#onLine = onLine
    this.#schedule()
  }

  /** Reads what is left and lets go of the file. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#polling
    await this.#poll()
    await this.#handle?.close()
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#polling = this.#poll().finally(() => this.#schedule())
    }, POLL_MS)
  }

  async #poll(): Promise<void> {
    for (;;) {
      const bytes = await this.#read()
      if (bytes.length === 0) return
      this.#split(this.#decoder.write(bytes))
    }
  }

  /** A read that fails is like one that finds nothing: the next may find more. */
  async #read(): Promise<Buffer> {
    try {
      this.#handle ??= await open(this.#file, 'r')
      const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(CHUNK_BYTES))
      return buffer.subarray(0, bytesRead)
    } catch {
      return Buffer.alloc(0)
    }
  }

  #split(text: string): void {
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) if (line !== '') this.#onLine(line)
  }
}
