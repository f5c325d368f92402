const WIDTH = 30
const INTERVAL_MS = 100

/** A bar on standard error, where that is a terminal. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream
  #drawn = -Infinity

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  /** @param read of `all` bytes */
  show(read: number, all: number): void {
    const now = performance.now()
    if (!this.#stream.isTTY || now - this.#drawn < INTERVAL_MS) return
    this.#drawn = now
    const part = all === 0 ? 1 : Math.min(1, read / all)
    const done = Math.round(part * WIDTH)
    const percent = `${Math.floor(part * 100)}%`.padStart(4)
    this.#stream.write(
      `\r[${'#'.repeat(done)}${'.'.repeat(WIDTH - done)}]${percent} of ${Math.ceil(all / 2 ** 20)} MiB`,
    )
  }

  /** Takes it away. */
  clear(): void {
    if (this.#drawn !== -Infinity) this.#stream.write('\r\u001b[K')
  }
}
