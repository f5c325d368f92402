import { decodeString, endOfValue, isString } from '../json/json-cursor.js'
import { JSONEdits } from '../json/json-edits.js'
import type { Digester } from './digest.js'

/** One document while its credentials are being replaced. Offsets are into `text`, which is from compactJSON. */
export class Redaction {
  readonly text: string
  readonly #digester: Digester
  readonly #edits: JSONEdits
  readonly #seen = new Set<number>()
  /** Hidden objects and arrays: their ends by their beginnings. */
  readonly #hidden = new Map<number, number>()

  constructor(text: string, digester: Digester) {
    this.text = text
    this.#digester = digester
    this.#edits = new JSONEdits(text)
  }

  /** Whether this is the first call for the value at `start`: a Secret may be found by its place and by its kind. */
  first(start: number): boolean {
    if (this.#seen.has(start)) return false
    this.#seen.add(start)
    return true
  }

  /** The end of the value at `start`. */
  keep(start: number): number {
    return endOfValue(this.text, start)
  }

  /**
   * Puts a marker in place of the value at `start`, whatever its type, unless it is null. Returns the value's end. With
   * `base64` the digest is that of the decoded bytes.
   */
  hide(start: number, base64 = false): number {
    const end = endOfValue(this.text, start)
    if (this.text.startsWith('null', start)) return end
    const value = isString(this.text, start)
      ? decodeString(this.text, start, end)
      : this.text.slice(start, end)
    if (!isString(this.text, start)) this.#hidden.set(start, end)
    this.#edits.replace(start, end, `"${this.#digester.mark(value, base64)}"`)
    return end
  }

  /** The end of the object or array at `start`, where a marker stands in its place. */
  hiddenEnd(start: number): number | undefined {
    return this.#hidden.get(start)
  }

  /** Puts `value` in place of the string at [start, end). */
  replaceString(start: number, end: number, value: string): void {
    this.#edits.replace(start, end, JSON.stringify(value))
  }

  /** The document as it may be recorded. */
  apply(): string {
    return this.#edits.apply()
  }
}
