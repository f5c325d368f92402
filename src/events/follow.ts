import { open, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { LineSplitter, type Line } from './lines.js'

const CHUNK_BYTES = 64 << 10
const NEWLINE = 0x0a

export interface FollowOptions {
  /** Where to begin in the file as it is now. */
  readonly from: 'start' | 'end'
  /** Milliseconds between two looks at the file. */
  readonly interval: number
  /** When it is aborted, what is there is still read; then it ends. */
  readonly signal: AbortSignal
}

/**
 * The complete lines of a growing file, as `tail -F` shows them, in one array for each piece that is read. The file may
 * come later, may be renamed and made anew (which is how the audit log is rotated), and may be emptied.
 *
 * Rejects with the system's error where the file is there but cannot be read.
 */
export async function* followLines(file: string, options: FollowOptions): AsyncGenerator<Line[]> {
  const { interval, signal } = options
  let from = options.from
  let current: GrowingFile | undefined
  try {
    for (;;) {
      const last = signal.aborted
      current ??= await GrowingFile.open(file, from)
      // What comes after the first look is new.
      from = 'start'
      if (current !== undefined) {
        yield* current.read()
        const replaced = await current.isReplaced(file)
        if (replaced) {
          // The writer has turned to the new file, so that nothing is added to the old one after this.
          yield* current.read()
          await current.close()
          current = undefined
          continue
        }
      }
      if (last) return
      await sleep(interval, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    await current?.close()
  }
}

/** One file, whatever its name is in the meantime. */
class GrowingFile {
  #splitter = new LineSplitter()
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES)

  /** Undefined where there is no such file. */
  static async open(file: string, from: 'start' | 'end'): Promise<GrowingFile | undefined> {
    let handle: FileHandle
    try {
      handle = await open(file, 'r')
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw err
    }
    const growing = new GrowingFile(handle)
    if (from === 'end') await growing.#toEnd()
    return growing
  }

  readonly #handle: FileHandle
  #position: number

  private constructor(handle: FileHandle, position = 0) {
    this.#handle = handle
    this.#position = position
  }

  /** Everything that was added since. */
  async *read(): AsyncGenerator<Line[]> {
    const { size } = await this.#handle.stat()
    if (size < this.#position) {
      // Somebody emptied it.
      this.#position = 0
      this.#splitter = new LineSplitter()
    }
    for (;;) {
      const { bytesRead } = await this.#handle.read(this.#buffer, 0, CHUNK_BYTES, this.#position)
      if (bytesRead === 0) return
      this.#position += bytesRead
      // A copy, for the splitter keeps what it is given.
      const lines = this.#splitter.write(Buffer.from(this.#buffer.subarray(0, bytesRead)))
      if (lines.length > 0) yield lines
    }
  }

  /** Whether the name belongs to another file by now. A name that nobody has yet is one that is still to come. */
  async isReplaced(file: string): Promise<boolean> {
    const mine = await this.#handle.stat()
    try {
      const { dev, ino } = await stat(file)
      return dev !== mine.dev || ino !== mine.ino
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw err
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  async #toEnd(): Promise<void> {
    const { size } = await this.#handle.stat()
    this.#position = size
    if (size === 0) return
    const { bytesRead } = await this.#handle.read(this.#buffer, 0, 1, size - 1)
    if (bytesRead === 1 && this.#buffer[0] !== NEWLINE) this.#splitter.skipLine()
  }
}
