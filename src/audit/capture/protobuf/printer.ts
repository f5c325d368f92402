import { formatDouble, formatDuration, formatMicroTime, formatTime } from './format.js'
import { last, positions, type Scanner, type Slot, type Slots } from './scanner.js'
import type { Field, Message, ValueType } from './schema.js'
import { MalformedProtobuf } from './wire.js'
import type { TypeMeta } from './type-meta.js'

/** The JSON would be longer than is wanted. */
export class OutputTooLong extends Error {
  override name = 'OutputTooLong'
}

/** Prints the bytes of a RawExtension and its like as JSON, at most maxLength long. */
export type PrintRaw = (bytes: Buffer, maxLength: number) => string

/** How deep messages may nest. Kubernetes has no limit of its own, but no sound object comes near. */
const MAX_DEPTH = 100

/**
 * Prints protobuf messages as JSON. Each message is read twice: once to find its fields, once to print them in the order
 * that they have in JSON. Nothing is decoded that is not printed.
 */
export class MessagePrinter {
  /** What was printed. */
  out = ''
  readonly #scanner: Scanner
  readonly #buf: Buffer
  readonly #maxLength: number
  readonly #printRaw: PrintRaw
  #depth = 0
  /** Nothing was printed yet since the last opening brace. */
  #first = true

  constructor(scanner: Scanner, maxLength: number, printRaw: PrintRaw) {
    this.#scanner = scanner
    this.#buf = scanner.buf
    this.#maxLength = maxLength
    this.#printRaw = printRaw
  }

  /** Prints the whole buffer as an object of this kind. */
  object(message: Message, { kind, apiVersion }: TypeMeta): void {
    const slots = this.#scanner.all(message)
    this.#open()
    if (kind !== '') this.#member('"kind":', JSON.stringify(kind))
    if (apiVersion !== '') this.#member('"apiVersion":', JSON.stringify(apiVersion))
    this.#members(message, slots)
    this.#close()
  }

  #members(message: Message, slots: Slots): void {
    const { fields } = message
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field
      const slot = slots[i]
      if (field.key === '') {
        const inner = field.message as Message
        this.#members(inner, this.#scanner.fields(inner, slot))
      } else if (slot === undefined) {
        // Go prints nil slices, maps and pointers; the values that are never nil are always on the wire.
        if (!field.omitEmpty && field.isNilable) this.#member(field.key, field.ifNil)
      } else if (!field.omitEmpty || field.shape !== 'value' || !this.#scanner.isEmpty(field, slot)) {
        this.#key(field.key)
        if (field.shape === 'list') this.#list(field, slot)
        else if (field.shape === 'map') this.#map(field, slot)
        else this.#value(field, slot)
      }
    }
  }

  #list(field: Field, slot: Slot): void {
    let separator = '['
    for (const at of positions(slot)) {
      if (at >= 0) {
        this.#write(separator)
        separator = ','
        this.#value(field, at)
        continue
      }
      const stop = this.#scanner.delimited(~at)
      for (let pos = this.#scanner.wire.start; pos < stop; separator = ',') {
        this.#write(separator)
        pos = this.#number(field.type, pos, stop)
      }
    }
    this.#write(separator === '[' ? '[]' : ']')
  }

  #map(field: Field, slot: Slot): void {
    const entries = new Map<string, Slot>()
    for (const at of positions(slot)) {
      const [key, value] = this.#scanner.entry(field, at)
      entries.set(key === undefined ? '""' : this.#text(last(key)), value)
    }
    this.#open()
    for (const key of entries.size < 2 ? entries.keys() : [...entries.keys()].sort()) {
      this.#key(`${key}:`)
      const value = entries.get(key)
      if (value !== undefined) this.#value(field, value)
      else if (field.message !== undefined) this.#message(field.message, value)
      else this.#write('""')
    }
    this.#close()
  }

  #value(field: Field, slot: number | number[]): void {
    if (field.message !== undefined) return this.#message(field.message, slot, field.typeMeta)
    const at = last(slot)
    if (field.type === 'string') this.#write(this.#text(at))
    else if (field.type === 'bytes') {
      const { wire } = this.#scanner
      this.#scanner.delimited(at)
      this.#write(`"${this.#buf.toString('base64', wire.start, wire.stop)}"`)
    } else this.#number(field.type, at, this.#buf.length)
  }

  /** Prints the number or boolean at pos; returns the position behind it. */
  #number(type: ValueType, pos: number, end: number): number {
    const { wire } = this.#scanner
    if (type === 'double') {
      if (end - pos < 8) throw new MalformedProtobuf('unexpected end')
      this.#write(formatDouble(this.#buf.readDoubleLE(pos)))
      return pos + 8
    }
    const next = wire.varint(pos, end)
    if (type === 'bool') this.#write(wire.low === 0 && wire.high === 0 ? 'false' : 'true')
    else this.#write(type === 'int32' ? String(wire.low) : wire.int64())
    return next
  }

  #message(message: Message, slot: Slot, typeMeta?: string): void {
    if (++this.#depth > MAX_DEPTH) throw new MalformedProtobuf('messages nest too deep')
    const slots = this.#scanner.fields(message, slot)
    if (message.special !== undefined) this.#special(message, message.special, slots)
    else if (message.isList) {
      if (slots[0] === undefined) this.#write('null')
      else this.#list(message.fields[0] as Field, slots[0])
    } else {
      this.#open()
      if (typeMeta !== undefined) this.#key(typeMeta)
      this.#members(message, slots)
      this.#close()
    }
    this.#depth--
  }

  /** Prints a message whose Go type has a MarshalJSON of its own. Its slots are in the order of table.ts. */
  #special(message: Message, special: string, [first, second, third]: Slots): void {
    const scanner = this.#scanner
    const absent = first === undefined
    switch (special) {
      case 'Time':
        return this.#write(absent ? 'null' : formatTime(scanner.int64(first)))
      case 'MicroTime':
        return this.#write(absent ? 'null' : formatMicroTime(scanner.int64(first), scanner.int32(second)))
      case 'Duration':
        return this.#write(`"${formatDuration(BigInt(scanner.int64(first)))}"`)
      case 'Quantity':
        return this.#write(absent ? '"0"' : this.#text(last(first)))
      case 'IntOrString':
        if (scanner.int32(first) === 0) return this.#write(String(scanner.int32(second)))
        return this.#write(third === undefined ? '""' : this.#text(last(third)))
      case 'JSONSchemaPropsOrArray':
      case 'JSONSchemaPropsOrStringArray':
        if (second !== undefined) return this.#list(message.fields[1] as Field, second)
        return absent ? this.#write('null') : this.#value(message.fields[0] as Field, first)
      case 'JSONSchemaPropsOrBool':
        if (second !== undefined) return this.#value(message.fields[1] as Field, second)
        return this.#write(scanner.int32(first) === 0 ? 'false' : 'true')
      case 'FieldsV1':
      case 'JSON':
      case 'RawExtension':
        return this.#raw(scanner.bytes(first))
      default:
        throw new Error(`${message.name}: nothing prints it`)
    }
  }

  #raw(bytes: Buffer | undefined): void {
    if (bytes === undefined || bytes.length === 0) return this.#write('null')
    this.#write(this.#printRaw(bytes, this.#maxLength - this.out.length))
  }

  /** The string at a position, as JSON. */
  #text(at: number): string {
    const { wire } = this.#scanner
    this.#scanner.delimited(at)
    const { start, stop } = wire
    for (let i = start; i < stop; i++) {
      const c = this.#buf[i] as number
      if (c < 0x20 || c > 0x7e || c === 0x22 || c === 0x5c)
        return JSON.stringify(this.#buf.toString('utf8', start, stop))
    }
    return `"${this.#buf.toString('latin1', start, stop)}"`
  }

  #open(): void {
    this.#write('{')
    this.#first = true
  }

  #close(): void {
    this.#write('}')
    this.#first = false
  }

  #key(key: string): void {
    this.#write(this.#first ? key : `,${key}`)
    this.#first = false
  }

  #member(key: string, value: string): void {
    this.#key(key)
    this.#write(value)
  }

  #write(text: string): void {
    this.out += text
    if (this.out.length > this.#maxLength) throw new OutputTooLong()
  }
}
