import type { Holding } from './capture-budget.js'
import type { CaptureLimit } from './limits.js'

/** Chunks smaller than this are small, in bytes. */
const SMALL_CHUNK = 1024
/** So many chunks are held as they came; behind them the small ones are copied together. */
const CHUNKS_AS_THEY_CAME = 16
/** Small chunks are copied together in blocks of so many bytes. */
const BLOCK_BYTES = 16384

/**
 * The chunks of one body, up to `maxBytes` and as long as `holding` has room. Chunks are not copied, but for small ones
 * behind the first few: a body sent byte by byte would otherwise hold a hundred times its size.
 */
export class HeldBody {
  readonly #holding: Holding
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #bytes = 0
  /** The last chunk, where it is our own block and has room behind #blockUsed. */
  #block: Buffer | undefined
  #blockUsed = 0

  constructor(maxBytes: number, holding: Holding) {
    this.#maxBytes = maxBytes
    this.#holding = holding
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes
  }

  /** Holds `chunk`; the limit that forbids it otherwise. What is held already stays. */
  add(chunk: Buffer): CaptureLimit | undefined {
    if (chunk.length === 0) return undefined
    if (this.#bytes + chunk.length > this.#maxBytes) return 'body'
    if (!this.#holding.take(chunk.length)) return 'total'
    this.#bytes += chunk.length
    if (chunk.length >= SMALL_CHUNK || this.#chunks.length < CHUNKS_AS_THEY_CAME) {
      this.#sealBlock()
      this.#chunks.push(chunk)
    } else {
      this.#copy(chunk)
    }
    return undefined
  }

  /** All that is held, in one piece; no copy where it came in one. */
  concat(): Buffer {
    this.#sealBlock()
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks, this.#bytes)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  /** The first bytes of what is held, at most `bytes`; no copy where they came in one piece. */
  first(bytes: number): Buffer {
    const chunk = this.#chunks[0]
    if (chunk === undefined || chunk.length >= bytes || this.#bytes === chunk.length) {
      return chunk?.subarray(0, bytes) ?? Buffer.alloc(0)
    }
    this.#sealBlock()
    return Buffer.concat(this.#chunks, Math.min(bytes, this.#bytes))
  }

  /** Lets go of everything. */
  free(): void {
    this.#holding.free()
    this.#bytes = 0
    this.#chunks = []
    this.#block = undefined
  }

  #copy(chunk: Buffer): void {
    if (this.#block !== undefined && this.#blockUsed + chunk.length > BLOCK_BYTES) this.#sealBlock()
    if (this.#block === undefined) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
      this.#blockUsed = 0
      this.#chunks.push(this.#block)
    }
    chunk.copy(this.#block, this.#blockUsed)
    this.#blockUsed += chunk.length
  }

  /** The block is complete: from now on it is a chunk like any other. */
  #sealBlock(): void {
    if (this.#block === undefined) return
    this.#chunks[this.#chunks.length - 1] = this.#block.subarray(0, this.#blockUsed)
    this.#block = undefined
  }
}
