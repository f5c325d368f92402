import { createHash, type Hash } from 'node:crypto'
import { StringDecoder } from 'node:string_decoder'

/** Takes what passed of one stream: text, or what stands for bytes that are none. */
export interface OutputSink {
  text(text: string): void
  binary(bytes: number, sha256: string): void
}

const REPLACEMENT = '\ufffd'
/** Of a piece's characters, how many may be no UTF-8 before it is no text: what is written in Latin-1 still is. */
const MAX_UNDECODABLE = 1 / 8
/** Where a tar archive says that it is one. */
const USTAR_AT = 257

/**
 * The output of one stream as text. A character whose bytes come in two pieces is whole. What a terminal gets is text,
 * whatever it is; without one, pieces that are none are summed up, and an archive of tar is to its end.
 */
export class OutputText {
  #decoder = new StringDecoder('utf8')
  #archive = false
  #first = true
  #hash: Hash | undefined
  #bytes = 0

  readonly #tty: boolean
  readonly #sink: OutputSink

  constructor(tty: boolean, sink: OutputSink) {
    this.#tty = tty
    this.#sink = sink
  }

  push(bytes: Buffer): void {
    if (this.#tty) return this.#emit(this.#decoder.write(bytes))
    if (this.#first) this.#archive = bytes.toString('latin1', USTAR_AT, USTAR_AT + 5) === 'ustar'
    this.#first = false
    if (this.#archive || bytes.includes(0)) return this.#count(bytes)
    const text = this.#decoder.write(bytes)
    if (undecodable(text) > bytes.length * MAX_UNDECODABLE) return this.#count(bytes)
    this.#endBinary()
    this.#emit(text)
  }

  /** The stream is over. */
  end(): void {
    this.#endBinary()
    this.#emit(this.#decoder.end())
  }

  #emit(text: string): void {
    if (text !== '') this.#sink.text(text)
  }

  #count(bytes: Buffer): void {
    // What was held back of a character is part of what is no text.
    this.#decoder = new StringDecoder('utf8')
    this.#hash ??= createHash('sha256')
    this.#hash.update(bytes)
    this.#bytes += bytes.length
  }

  #endBinary(): void {
    if (this.#hash === undefined) return
    this.#sink.binary(this.#bytes, this.#hash.digest('hex'))
    this.#hash = undefined
    this.#bytes = 0
  }
}

function undecodable(text: string): number {
  let count = 0
  for (let at = text.indexOf(REPLACEMENT); at >= 0; at = text.indexOf(REPLACEMENT, at + 1)) count++
  return count
}
