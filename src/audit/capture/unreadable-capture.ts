import type { CapturedBody } from '../captured-body.js'
import type { BodyCapture } from './capture.js'
import { type BodyKind, unreadAnnotation } from './limits.js'

/** Stands for a body that cannot be read: where one comes, the event says that it is missing. */
export class UnreadableCapture implements BodyCapture {
  readonly #kind: BodyKind
  readonly #why: string
  #came = false

  constructor(kind: BodyKind, why: string) {
    this.#kind = kind
    this.#why = why
  }

  write(chunk: Buffer): void {
    if (chunk.length > 0) this.#came = true
  }

  discard(): void {
    this.#came = false
  }

  end(): CapturedBody {
    return this.#came ? { annotations: unreadAnnotation(this.#kind, this.#why) } : {}
  }
}
