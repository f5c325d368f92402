/** The JSON would be longer than is wanted. */
export class OutputTooLong extends Error {
  override name = 'OutputTooLong'

  /** @param written the beginning of the JSON, which fits */
  constructor(readonly written: string) {
    super('the JSON would be too long')
  }
}

/** The object nests too deep. */
export class TooDeep extends Error {
  override name = 'TooDeep'
}

/**
 * How deep objects and lists may nest in the JSON that is made of other formats: as deep as Go's encoding/json reads
 * (maxNestingDepth), so that whatever reads the log can read it.
 */
export const MAX_DEPTH = 10000

/** Writes one JSON document, at most maxLength UTF-16 code units of it. Throws OutputTooLong. */
export class JSONWriter {
  /** What was written. */
  out = ''
  readonly #maxLength: number
  /** Nothing was written yet since the last opening brace. */
  #first = true

  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** How much may still be written, in UTF-16 code units. */
  get room(): number {
    return this.#maxLength - this.out.length
  }

  open(): void {
    this.write('{')
    this.#first = true
  }

  close(): void {
    this.write('}')
    this.#first = false
  }

  /** Begins a member: `key` is its name in quotes, and the colon. */
  key(key: string): void {
    this.write(this.#first ? key : `,${key}`)
    this.#first = false
  }

  member(key: string, value: string): void {
    this.key(key)
    this.write(value)
  }

  write(text: string): void {
    if (this.out.length + text.length > this.#maxLength) throw new OutputTooLong(this.out)
    this.out += text
  }

  /** Says at once that more is to come than there is room for. */
  expect(length: number): void {
    if (length > this.room) throw new OutputTooLong(this.out)
  }
}
