import { isUtf8 } from 'node:buffer'

/** The bytes are not CBOR, or CBOR that kube-apiserver does not read. */
export class MalformedCBOR extends Error {
  override name = 'MalformedCBOR'
}

/** The bytes end before the item does. */
export class UnexpectedEnd extends MalformedCBOR {
  constructor() {
    super('unexpected end')
  }
}

/** Major types (RFC 8949, section 3.1). */
export const UNSIGNED = 0
export const NEGATIVE = 1
export const BYTES = 2
export const TEXT = 3
export const ARRAY = 4
export const MAP = 5
export const TAG = 6
export const SIMPLE = 7

/** The additional information of an item of indefinite length. */
export const INDEFINITE = 31

const BREAK = 0xff

const NOT_UTF8 = 'a text string that is not UTF-8'

/**
 * Reads the heads and strings of CBOR items (RFC 8949), one behind the other. What the last head said is in the members.
 * Throws MalformedCBOR where github.com/fxamacker/cbor would not read it in kube-apiserver's mode
 * (k8s.io/apimachinery/pkg/runtime/serializer/cbor/internal/modes decode.go).
 */
export class CBORReader {
  pos = 0
  /** The major type. */
  major = 0
  /** The additional information, which says how the argument is encoded. */
  info = 0
  /** The argument's upper and lower 32 bits; both are unsigned. */
  high = 0
  low = 0

  /** Where the chunks of a string come together; one for all, so that many strings cost no more than the buffer. */
  #whole: Buffer | undefined

  constructor(readonly buf: Buffer) {}

  /** The major type of the next item. */
  peek(): number {
    return this.#byte(this.pos) >> 5
  }

  /** Reads an item's head. */
  head(): void {
    const first = this.#byte(this.pos++)
    const { pos } = this
    this.major = first >> 5
    this.info = first & 0x1f
    this.high = 0
    if (this.info < 24) {
      this.low = this.info
      return
    }
    switch (this.info) {
      case 24:
        this.low = this.#byte(pos)
        this.pos += 1
        return
      case 25:
        this.low = (this.#byte(pos) << 8) | this.#byte(pos + 1)
        this.pos += 2
        return
      case 26:
        this.low = this.#uint32(pos)
        this.pos += 4
        return
      case 27:
        this.high = this.#uint32(pos)
        this.low = this.#uint32(pos + 4)
        this.pos += 8
        return
      case INDEFINITE:
        if (this.major >= BYTES && this.major <= MAP) return
    }
    throw new MalformedCBOR('a head that is none')
  }

  /** How many bytes, items or pairs the head that was read says there are; undefined where it leaves that open. */
  count(): number | undefined {
    if (this.info === INDEFINITE) return undefined
    // Each takes a byte at least.
    if (this.high !== 0 || this.low > this.buf.length - this.pos) throw new UnexpectedEnd()
    return this.low
  }

  /** Whether an item of indefinite length ends here; reads the end. */
  atBreak(): boolean {
    if (this.#byte(this.pos) !== BREAK) return false
    this.pos++
    return true
  }

  /** The string whose head was read. Its memory is the buffer's, or that of the next string. */
  string(): Buffer {
    const { major } = this
    const count = this.count()
    if (count !== undefined) return this.#chunk(major, count)
    return this.#chunks(major)
  }

  /** The string of indefinite length whose head was read. There may be very many chunks, of a byte or none. */
  #chunks(major: number): Buffer {
    const whole = (this.#whole ??= Buffer.allocUnsafeSlow(this.buf.length))
    let length = 0
    while (!this.atBreak()) {
      this.head()
      const size = this.count()
      if (this.major !== major || size === undefined)
        throw new MalformedCBOR('a string with something else in it')
      if (size === 0) continue
      if (size === 1) {
        const byte = this.buf[this.pos++] as number
        if (major === TEXT && byte >= 0x80) throw new MalformedCBOR(NOT_UTF8)
        whole[length++] = byte
      } else length += this.#chunk(major, size).copy(whole, length)
    }
    return whole.subarray(0, length)
  }

  /** The floating-point number whose head was read. */
  float(): number {
    if (this.info === 25) return halfFloat(this.low)
    return this.info === 26 ? this.buf.readFloatBE(this.pos - 4) : this.buf.readDoubleBE(this.pos - 8)
  }

  #chunk(major: number, size: number): Buffer {
    const chunk = this.buf.subarray(this.pos, this.pos + size)
    if (major === TEXT && !isUtf8(chunk)) throw new MalformedCBOR(NOT_UTF8)
    this.pos += size
    return chunk
  }

  #byte(pos: number): number {
    const byte = this.buf[pos]
    if (byte === undefined) throw new UnexpectedEnd()
    return byte
  }

  #uint32(pos: number): number {
    if (pos + 4 > this.buf.length) throw new UnexpectedEnd()
    return this.buf.readUInt32BE(pos)
  }
}

/** The number whose 16 bits are `bits`, as IEEE 754 has it. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
