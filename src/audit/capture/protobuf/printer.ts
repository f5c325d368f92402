import { type JSONWriter, MAX_DEPTH, TooDeep } from '../json/json-writer.js'
import { last, NO_FIELDS, positions, type Scanner, type Slot, type Slots } from './scanner.js'
import type { Field, Message } from './schema.js'
import type { TypeMeta } from './type-meta.js'
import { numberText, scalarText, specialText, stringText } from './values.js'

/**
 * The bytes of a RawExtension or its like as JSON.
 *
 * @param special the type that holds them: RawExtension, FieldsV1, JSON
 * @param maxLength of the JSON, in UTF-16 code units; it throws OutputTooLong, or returns what is longer
 * @param depth how many objects and lists are around it
 */
export type PrintRaw = (bytes: Buffer, special: string, maxLength: number, depth: number) => string

/** What is being printed: a message's members, a list's items, or a map's entries; and how far it has come. */
type Frame = MembersFrame | ListFrame | MapFrame

interface MembersFrame {
  readonly kind: 'members'
  readonly message: Message
  readonly slots: Slots
  /** Its members are among those of the outer message. */
  readonly inline: boolean
  next: number
}

interface ListFrame {
  readonly kind: 'list'
  readonly field: Field
  readonly items: readonly number[]
  next: number
  /** What is written before the next item. */
  separator: string
}

interface MapFrame {
  readonly kind: 'map'
  readonly field: Field
  /** By key, as JSON. */
  readonly entries: ReadonlyMap<string, Slot>
  readonly keys: readonly string[]
  next: number
}

/**
 * Prints protobuf messages as JSON. Each message is read twice: once to find its fields, once to print them in the order
 * that they have in JSON. Nothing is decoded that is not printed. The depth of a message is no concern of the stack.
 */
export class MessagePrinter {
  readonly #scanner: Scanner
  readonly #writer: JSONWriter
  readonly #printRaw: PrintRaw
  /** The depth of what is around this object. */
  readonly #outerDepth: number
  readonly #frames: Frame[] = []

  constructor(scanner: Scanner, writer: JSONWriter, outerDepth: number, printRaw: PrintRaw) {
    this.#scanner = scanner
    this.#writer = writer
    this.#outerDepth = outerDepth
    this.#printRaw = printRaw
  }

  /** Prints the whole buffer as an object of this kind. */
  object(message: Message, { kind, apiVersion }: TypeMeta): void {
    const slots = this.#scanner.all(message)
    this.#writer.open()
    if (kind !== '') this.#writer.member('"kind":', JSON.stringify(kind))
    if (apiVersion !== '') this.#writer.member('"apiVersion":', JSON.stringify(apiVersion))
    this.#push({ kind: 'members', message, slots, inline: false, next: 0 })
    const frames = this.#frames
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      if (frame.kind === 'members') this.#members(frame)
      else if (frame.kind === 'list') this.#list(frame)
      else this.#map(frame)
    }
  }

  #push(frame: Frame): void {
    if (this.#frames.push(frame) + this.#outerDepth > MAX_DEPTH) throw new TooDeep()
  }

  /** Goes on with the members of a message until one of them has to be printed first. */
  #members(frame: MembersFrame): void {
    const { message, slots, inline } = frame
    const { fields } = message
    const depth = this.#frames.length
    while (frame.next < fields.length) {
      const slot = slots[frame.next]
      const field = fields[frame.next++] as Field
      if (slot !== undefined) {
        this.#member(field, slot)
        if (this.#frames.length > depth) return
      } else if (field.ifAbsent !== undefined) this.#writer.member(field.key, field.ifAbsent)
      else if (field.key === '') this.#memberIfEmpty(field.message as Message)
    }
    this.#frames.pop()
    if (!inline) this.#writer.close()
  }

  #memberIfEmpty({ ifEmpty }: Message): void {
    if (ifEmpty !== '') this.#writer.key(ifEmpty)
  }

  #member(field: Field, slot: number | number[]): void {
    const { key, shape, omitEmpty } = field
    if (key === '') {
      const message = field.message as Message
      const slots = this.#scanner.fields(message, slot)
      this.#push({ kind: 'members', message, slots, inline: true, next: 0 })
      return
    }
    if (omitEmpty && shape === 'value' && this.#scanner.isEmpty(field, slot)) return
    if (field.omitZero && this.#isZero(field, slot)) return
    this.#writer.key(key)
    if (shape === 'list') this.#beginList(field, slot)
    else if (shape === 'map') this.#beginMap(field, slot)
    else this.#value(field, slot)
  }

  #beginList(field: Field, slot: Slot): void {
    const items = positions(slot)
    // An item is a digit or a pair of braces at least, and there is a comma or a bracket behind it.
    const least = field.message === undefined || field.message.special !== undefined ? 2 : 3
    this.#writer.expect(least * items.length)
    this.#writer.write('[')
    this.#push({ kind: 'list', field, items, next: 0, separator: '' })
  }

  #list(frame: ListFrame): void {
    const { field, items } = frame
    const depth = this.#frames.length
    while (frame.next < items.length) {
      const at = items[frame.next++] as number
      if (at < 0) {
        this.#packed(frame, ~at)
        continue
      }
      this.#separate(frame)
      this.#value(field, at)
      if (this.#frames.length > depth) return
    }
    this.#frames.pop()
    this.#writer.write(']')
  }

  /** Prints a packed list of numbers. The last one may end behind the list, as for gogo/protobuf. */
  #packed(frame: ListFrame, at: number): void {
    const { wire } = this.#scanner
    const stop = this.#scanner.delimited(at)
    for (let pos = wire.start; pos < stop; pos = wire.varint(pos, this.#scanner.buf.length)) {
      this.#separate(frame)
      this.#writer.write(numberText(this.#scanner, frame.field.type, pos))
    }
  }

  #separate(frame: ListFrame): void {
    if (frame.separator !== '') this.#writer.write(frame.separator)
    frame.separator = ','
  }

  #beginMap(field: Field, slot: Slot): void {
    const entries = new Map<string, Slot>()
    const ends = positions(slot)
    for (let i = 0; i < ends.length; i += 2) {
      const [key, value] = this.#scanner.entry(ends[i] as number, ends[i + 1] as number)
      entries.set(key === undefined ? '""' : stringText(this.#scanner, last(key)), value)
    }
    this.#writer.open()
    this.#push({ kind: 'map', field, entries, keys: [...entries.keys()].sort(), next: 0 })
  }

  #map(frame: MapFrame): void {
    const { field, entries, keys } = frame
    const depth = this.#frames.length
    while (frame.next < keys.length) {
      const key = keys[frame.next++] as string
      const value = entries.get(key)
      this.#writer.key(`${key}:`)
      if (field.message === undefined && value === undefined) this.#writer.write('""')
      else this.#value(field, value)
      if (this.#frames.length > depth) return
    }
    this.#frames.pop()
    this.#writer.close()
  }

  /** Prints a value; of a message it may only be the beginning, and a frame for the rest. */
  #value(field: Field, slot: Slot): void {
    const { message } = field
    if (message !== undefined) this.#message(message, slot, field.typeMeta)
    else if (slot !== undefined) this.#writer.write(scalarText(this.#scanner, field, last(slot)))
  }

  #message(message: Message, slot: Slot, typeMeta?: string): void {
    const slots = this.#scanner.fields(message, slot)
    if (message.special !== undefined) this.#special(message, message.special, slots)
    else if (slots === NO_FIELDS && typeMeta === undefined && !message.isList) {
      this.#writer.write(`{${message.ifEmpty}}`)
    } else if (message.isList) {
      if (slots[0] === undefined) this.#writer.write('null')
      else this.#beginList(message.fields[0] as Field, slots[0])
    } else {
      this.#writer.open()
      if (typeMeta !== undefined) this.#writer.key(typeMeta)
      this.#push({ kind: 'members', message, slots, inline: false, next: 0 })
    }
  }

  /** Prints a message whose Go type has a MarshalJSON of its own. Its slots are in the order of table.ts. */
  #special(message: Message, special: string, slots: Slots): void {
    const scanner = this.#scanner
    const [first, second] = slots
    switch (special) {
      case 'JSONSchemaPropsOrArray':
      case 'JSONSchemaPropsOrStringArray':
        if (second !== undefined) return this.#beginList(message.fields[1] as Field, second)
        if (first !== undefined) return this.#value(message.fields[0] as Field, first)
        return this.#writer.write('null')
      case 'JSONSchemaPropsOrBool':
        if (second !== undefined) return this.#value(message.fields[1] as Field, second)
        return this.#writer.write(scanner.int32(first) === 0 ? 'false' : 'true')
      case 'FieldsV1':
      case 'JSON':
      case 'RawExtension': {
        const bytes = scanner.bytes(first)
        if (bytes === undefined || bytes.length === 0) return this.#writer.write('null')
        const depth = this.#outerDepth + this.#frames.length
        return this.#writer.write(this.#printRaw(bytes, special, this.#writer.room, depth))
      }
      default:
        return this.#writer.write(specialText(scanner, special, slots))
    }
  }

  /** Whether Go's IsZero says so of the message: of the special ones only times know it. */
  #isZero(field: Field, slot: Slot): boolean {
    const message = field.message as Message
    return specialText(this.#scanner, message.special ?? '', this.#scanner.fields(message, slot)) === 'null'
  }
}
