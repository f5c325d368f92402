import { type JSONWriter, MAX_DEPTH, TooDeep } from '../json/json-writer.js'
import { formatDouble, jsonString } from '../json/json-values.js'
import {
  ARRAY,
  BYTES,
  CBORReader,
  MalformedCBOR,
  MAP,
  NEGATIVE,
  SIMPLE,
  TAG,
  TEXT,
  UNSIGNED,
} from './reader.js'
import { dateTime, epochTime } from './time.js'

/** Tags that say how the byte strings in them look as text (RFC 8949, section 3.4.5.2). */
const LATER_ENCODINGS: ReadonlyMap<number, 'base64url' | 'base64' | 'hex'> = new Map([
  [21, 'base64url'],
  [22, 'base64'],
  [23, 'hex'],
])
type LaterEncoding = 'base64url' | 'base64' | 'hex' | undefined

/** Simple values. */
const FALSE = 20
const TRUE = 21
const NULL = 22
const FLOAT_16 = 25
const FLOAT_32 = 26
const FLOAT_64 = 27

/** Tags. */
const DATE_TIME = 0
const EPOCH_TIME = 1
const UNSIGNED_BIGNUM = 2
const NEGATIVE_BIGNUM = 3

/** An array or map that has begun. */
interface Frame {
  /** The keys seen of a map; undefined: it is an array. */
  readonly keys: Set<string> | undefined
  /** How many items or pairs are still to come; undefined where a break ends it. */
  left: number | undefined
  readonly encoding: LaterEncoding
  /** How many arrays, maps, and tags of tags it is in, itself included. */
  readonly depth: number
  first: boolean
}

/**
 * Prints one CBOR item as the JSON that kube-apiserver makes of it (k8s.io/apimachinery/pkg/runtime/serializer/cbor). The
 * depth of the item is no concern of the stack. Throws MalformedCBOR, TooDeep, OutputTooLong.
 */
export class CBORPrinter {
  readonly #reader: CBORReader
  readonly #writer: JSONWriter
  readonly #frames: Frame[] = []
  /** Of the item whose head was read: how its byte strings look, how deep it is, and the tag that makes it a time. */
  #encoding: LaterEncoding
  #depth = 0
  #time: number | undefined

  constructor(body: Buffer, writer: JSONWriter) {
    this.#reader = new CBORReader(body)
    this.#writer = writer
  }

  /** Prints the item that is the whole body. */
  item(): void {
    this.#value(undefined)
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      if (this.#hasEnded(frame)) {
        this.#frames.pop()
        this.#writer.write(frame.keys === undefined ? ']' : '}')
        continue
      }
      if (!frame.first) this.#writer.write(',')
      frame.first = false
      if (frame.keys !== undefined) this.#key(frame, frame.keys)
      this.#value(frame)
    }
    if (this.#reader.pos !== this.#reader.buf.length) throw new MalformedCBOR('something behind the object')
  }

  #hasEnded(frame: Frame): boolean {
    if (frame.left === undefined) return this.#reader.atBreak()
    return frame.left-- === 0
  }

  #key(frame: Frame, keys: Set<string>): void {
    this.#head(frame)
    const bytes = this.#keyString()
    // Two that are not UTF-8 may look alike in JSON.
    const key = bytes.toString('latin1')
    if (keys.has(key)) throw new MalformedCBOR('a key that comes twice')
    keys.add(key)
    this.#writer.write(`${jsonString(bytes, 0, bytes.length)}:`)
  }

  /** The UTF-8 of the key whose head was read. Go takes null for the empty string. */
  #keyString(): Buffer {
    const { major, info } = this.#reader
    if (major === BYTES || major === TEXT) return this.#string()
    if (major === SIMPLE && info === NULL) return Buffer.alloc(0)
    throw new MalformedCBOR('a key that is no string')
  }

  /** Prints an item in `frame`; of an array or a map only the beginning. */
  #value(frame: Frame | undefined): void {
    this.#head(frame)
    if (this.#time !== undefined) return this.#writer.write(this.#timeText(this.#time))
    switch (this.#reader.major) {
      case UNSIGNED:
      case NEGATIVE:
        return this.#writer.write(String(this.#integer()))
      case BYTES:
      case TEXT: {
        const bytes = this.#string()
        return this.#writer.write(jsonString(bytes, 0, bytes.length))
      }
      case ARRAY:
      case MAP:
        return this.#begin()
      case SIMPLE:
        return this.#writer.write(this.#simpleText())
    }
  }

  /** Reads the tags of an item in `frame`, and the head behind them. Tags that are not known mean nothing. */
  #head(frame: Frame | undefined): void {
    const reader = this.#reader
    this.#encoding = frame?.encoding
    this.#depth = frame?.depth ?? 0
    this.#time = undefined
    reader.head()
    if (reader.major !== TAG) return
    for (let outermost = true; reader.major === TAG; outermost = false) {
      if (this.#time !== undefined) throw new MalformedCBOR('a time that is none')
      if (!outermost && ++this.#depth > MAX_DEPTH) throw new TooDeep()
      this.#tag(reader.high === 0 ? reader.low : undefined)
      reader.head()
    }
    if (this.#time !== undefined && !this.#isTime(this.#time)) throw new MalformedCBOR('a time that is none')
  }

  #tag(tag: number | undefined): void {
    if (tag === UNSIGNED_BIGNUM || tag === NEGATIVE_BIGNUM)
      throw new MalformedCBOR('an integer of more than 64 bits')
    if (tag === DATE_TIME || tag === EPOCH_TIME) this.#time = tag
    if (tag !== undefined) this.#encoding = LATER_ENCODINGS.get(tag) ?? this.#encoding
  }

  #begin(): void {
    const depth = this.#depth + 1
    if (depth > MAX_DEPTH) throw new TooDeep()
    const keys = this.#reader.major === MAP ? new Set<string>() : undefined
    const left = this.#reader.count()
    // An item is a digit at least, a key two quotes and a colon, and there is a comma or a bracket behind each.
    this.#writer.expect((keys === undefined ? 2 : 5) * (left ?? 0))
    this.#writer.write(keys === undefined ? '[' : '{')
    this.#frames.push({ keys, left, encoding: this.#encoding, depth, first: true })
  }

  /** The integer whose head was read, which an int64 holds. */
  #integer(): number | bigint {
    const { major, high, low } = this.#reader
    if (high >= 0x80000000) throw new MalformedCBOR('an integer of more than 64 bits')
    if (high < 0x200000) {
      const value = high * 0x100000000 + low
      return major === UNSIGNED ? value : -1 - value
    }
    const value = (BigInt(high) << 32n) | BigInt(low)
    return major === UNSIGNED ? value : -1n - value
  }

  /** The UTF-8 of the string whose head was read. */
  #string(): Buffer {
    const isBytes = this.#reader.major === BYTES
    const bytes = this.#reader.string()
    return isBytes && this.#encoding !== undefined
      ? Buffer.from(bytes.toString(this.#encoding), 'latin1')
      : bytes
  }

  #simpleText(): string {
    const { info } = this.#reader
    switch (info) {
      case FALSE:
        return 'false'
      case TRUE:
        return 'true'
      case NULL:
        return 'null'
      case FLOAT_16:
      case FLOAT_32:
      case FLOAT_64:
        return formatDouble(this.#float())
      default:
        throw new MalformedCBOR('a simple value that is none of true, false and null')
    }
  }

  #float(): number {
    const value = this.#reader.float()
    if (!Number.isFinite(value)) throw new MalformedCBOR('a number that is not finite')
    return value
  }

  /** Whether the head that was read may follow the tag of a time. */
  #isTime(tag: number): boolean {
    const { major, info } = this.#reader
    if (tag === DATE_TIME) return major === TEXT
    return (
      major === UNSIGNED || major === NEGATIVE || (major === SIMPLE && info >= FLOAT_16 && info <= FLOAT_64)
    )
  }

  #timeText(tag: number): string {
    const { major } = this.#reader
    if (tag === DATE_TIME) return `"${dateTime(this.#reader.string().toString('latin1'))}"`
    return `"${epochTime(major === SIMPLE ? this.#float() : Number(this.#integer()))}"`
  }
}
