/** Tags of DER (ITU-T X.690) that certificates and revocation lists use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** One encoded value. */
export interface Element {
  readonly tag: number
  /** Tag and length included. */
  readonly raw: Buffer
  readonly content: Buffer
}

/** What is read is not well-formed DER, or not of the type that was expected. */
export class InvalidDER extends Error {
  override name = 'InvalidDER'
}

/**
 * Reads values one after the other. Nothing is read ahead, so that a list of any length costs no more than its items.
 *
 * @throws InvalidDER from each method
 */
export class DERReader {
  #offset = 0

  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#offset >= this.#bytes.length
  }

  /** The tag of the next value; undefined at the end. */
  get tag(): number | undefined {
    return this.#bytes[this.#offset]
  }

  /** @param tag what it must have */
  read(tag?: number): Element {
    const bytes = this.#bytes
    const start = this.#offset
    const found = bytes[start]
    const first = bytes[start + 1]
    if (found === undefined || first === undefined) throw new InvalidDER('ends too early')
    // Tags of more than one byte occur nowhere in these formats.
    if ((found & 0x1f) === 0x1f || (tag !== undefined && found !== tag)) {
      throw new InvalidDER(`has the tag ${found} where ${tag ?? 'a short one'} was expected`)
    }
    let length = first
    let begin = start + 2
    if (first >= 0x80) {
      const digits = first & 0x7f
      if (digits === 0 || digits > 4 || begin + digits > bytes.length)
        throw new InvalidDER('has a bad length')
      length = bytes.readUIntBE(begin, digits)
      begin += digits
    }
    const end = begin + length
    if (end > bytes.length) throw new InvalidDER('ends too early')
    this.#offset = end
    return { tag: found, raw: bytes.subarray(start, end), content: bytes.subarray(begin, end) }
  }

  /** The next value if it has that tag. */
  optional(tag: number): Element | undefined {
    return this.tag === tag ? this.read(tag) : undefined
  }

  /** A reader of the values in the next value. */
  enter(tag: number = TAG.sequence): DERReader {
    return new DERReader(this.read(tag).content)
  }
}

/** `2.5.29.28` */
export function objectIdentifier({ content }: Element): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      if (arcs.length === 0) {
        const first = Math.min(Math.floor(arc / 40), 2)
        arcs.push(first, arc - first * 40)
      } else arcs.push(arc)
      arc = 0
    }
  }
  return arcs.join('.')
}

/** Milliseconds since the epoch (RFC 5280 section 4.1.2.5). */
export function time({ tag, content }: Element): number {
  const text = content.toString('latin1')
  const match = /^(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  const long = match?.[1] !== undefined
  if (match === null || long !== (tag === TAG.generalizedTime)) throw new InvalidDER('has a bad time')
  const [, century, year, month, day, hour, minute, second] = match.map(Number)
  const fullYear = long ? century! * 100 + year! : year! < 50 ? 2000 + year! : 1900 + year!
  return Date.UTC(fullYear, month! - 1, day, hour, minute, second)
}
