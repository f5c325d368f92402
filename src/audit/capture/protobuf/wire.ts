/** The bytes are not protobuf, or not the message that they were said to be. */
export class MalformedProtobuf extends Error {
  override name = 'MalformedProtobuf'
}

export const VARINT = 0
export const FIXED64 = 1
export const LENGTH_DELIMITED = 2
const START_GROUP = 3
const END_GROUP = 4
const FIXED32 = 5

/**
 * Reads protobuf's wire format. Positions go in and come out, so that a caller can come back to a value; what a read
 * found besides the next position is in the members. It accepts what gogo/protobuf's generated Unmarshal accepts, no more and no
 * less, for what kube-apiserver acts on must not be unreadable here. Throws MalformedProtobuf.
 */
export class WireReader {
  /** The last varint's lower and upper 32 bits; `low` is signed. */
  low = 0
  high = 0
  /** The last tag's field number and wire type. */
  number = 0
  wireType = 0
  /** Where the last length-delimited value begins and ends. */
  start = 0
  stop = 0

  constructor(readonly buf: Buffer) {}

  /** Reads the varint at `pos`, which ends before `end`, into low and high. */
  varint(pos: number, end: number): number {
    if (pos >= end) throw new MalformedProtobuf('unexpected end')
    const first = this.buf[pos] as number
    if (first < 0x80) {
      this.low = first
      this.high = 0
      return pos + 1
    }
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (pos >= end) throw new MalformedProtobuf('unexpected end')
      const b = this.buf[pos++] as number
      const bits = b & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32)
      if (b < 0x80) {
        this.low = low
        this.high = high
        return pos
      }
    }
    throw new MalformedProtobuf('varint of more than 64 bits')
  }

  /** Reads the tag at `pos` into number and wireType. */
  tag(pos: number, end: number): number {
    const next = this.key(pos, end)
    if (this.number <= 0) throw new MalformedProtobuf('illegal field number')
    return next
  }

  /** Reads the tag of a field in a map entry, where any number does. */
  key(pos: number, end: number): number {
    const next = this.varint(pos, end)
    this.wireType = this.low & 7
    this.number = (this.low >>> 3) | (this.high << 29)
    return next
  }

  /** Reads the length at `pos` into start and stop; returns stop. */
  delimited(pos: number, end: number): number {
    const start = this.varint(pos, end)
    const length = this.low
    if (this.high !== 0 || length < 0 || length > end - start)
      throw new MalformedProtobuf('length beyond the end')
    this.start = start
    this.stop = start + length
    return this.stop
  }

  /** The position behind the value at `pos`, whose tag was the last one read. */
  skip(pos: number, end: number): number {
    let groups = 0
    for (;;) {
      if (this.wireType === VARINT) pos = this.varint(pos, end)
      else if (this.wireType === FIXED64) pos += 8
      else if (this.wireType === LENGTH_DELIMITED) pos = this.delimited(pos, end)
      else if (this.wireType === FIXED32) pos += 4
      else if (this.wireType === START_GROUP) groups++
      else if (this.wireType === END_GROUP && groups > 0) groups--
      else throw new MalformedProtobuf('illegal wire type')
      if (pos > end) throw new MalformedProtobuf('unexpected end')
      if (groups === 0) return pos
      // Inside a group any number does, as gogo/protobuf does not look at it.
      pos = this.varint(pos, end)
      this.wireType = this.low & 7
    }
  }

  /** The signed 64-bit integer that the last varint was, in decimal, exactly. */
  int64(): string {
    const { low, high } = this
    if (high === low >> 31) return String(low)
    if (high >= -0x200000 && high < 0x200000) return String(high * 0x100000000 + (low >>> 0))
    return String((BigInt(high) << 32n) | BigInt(low >>> 0))
  }
}
