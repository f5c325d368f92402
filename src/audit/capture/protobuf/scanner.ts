import type { Field, Message, ValueType } from './schema.js'
import { FIXED64, LENGTH_DELIMITED, MalformedProtobuf, VARINT, WireReader } from './wire.js'

/**
 * Where the values of one field are: the position behind the tag. Of a scalar it is the last one, of everything else
 * all. The numbers of a packed list are one value, at the complement (~) of its position. Behind the position of a map
 * entry is another: where the message around it ends.
 */
export type Slot = number | number[] | undefined

/** By field, in the order of Message.fields. */
export type Slots = Slot[]

/** The slots of a message of no bytes: a body may have very many. */
export const NO_FIELDS: Slots = []

const WIRE_TYPES: Readonly<Record<ValueType, number>> = {
  string: LENGTH_DELIMITED,
  bool: VARINT,
  int32: VARINT,
  int64: VARINT,
  double: FIXED64,
  bytes: LENGTH_DELIMITED,
  message: LENGTH_DELIMITED,
}

/** Finds the fields of messages in a buffer, and reads scalars. Throws MalformedProtobuf. */
export class Scanner {
  /** Some message had a field that its declaration does not have. */
  unknownFields = false
  readonly wire: WireReader

  constructor(readonly buf: Buffer) {
    this.wire = new WireReader(buf)
  }

  /** The fields of a message whose bytes are the whole buffer. */
  all(message: Message): Slots {
    const slots: Slots = new Array<Slot>(message.fields.length)
    this.#scan(message, 0, this.buf.length, slots)
    return slots
  }

  /** The fields of a message that is in `slot`. One that comes more than once is merged, as if it were one. */
  fields(message: Message, slot: Slot): Slots {
    if (typeof slot === 'number' && this.buf[slot] === 0) return NO_FIELDS
    const slots: Slots = new Array<Slot>(message.fields.length)
    if (typeof slot === 'number') this.#scanAt(message, slot, slots)
    else for (const at of positions(slot)) this.#scanAt(message, at, slots)
    return slots
  }

  /**
   * The key's and the value's slot of the map entry at `at`. As for gogo/protobuf, field 1 is the key and field 2 the
   * value whatever their wire types say, others are skipped, and what they hold ends where the message around the entry
   * does: `end`.
   */
  entry(at: number, end: number): readonly [Slot, Slot] {
    const { wire } = this
    const stop = this.wire.delimited(at, end)
    let key: Slot
    let value: Slot
    for (let pos = wire.start; pos < stop;) {
      pos = wire.key(pos, end)
      if (wire.number === 1) {
        key = pos
        pos = wire.delimited(pos, end)
      } else if (wire.number === 2) {
        value = pos
        pos = wire.delimited(pos, end)
      } else pos = wire.skip(pos, stop)
    }
    return [key, value]
  }

  /** Finds where the length-delimited value at `at` begins and ends: wire.start, wire.stop. Returns wire.stop. */
  delimited(at: number): number {
    return this.wire.delimited(at, this.buf.length)
  }

  /** The bytes of a string or bytes field. They share the buffer's memory. */
  bytes(slot: Slot): Buffer | undefined {
    if (slot === undefined) return undefined
    this.delimited(last(slot))
    return this.buf.subarray(this.wire.start, this.wire.stop)
  }

  /** An int32 or bool field; 0 where it is absent. */
  int32(slot: Slot): number {
    if (slot === undefined) return 0
    this.wire.varint(last(slot), this.buf.length)
    return this.wire.low
  }

  /** An int64 field, in decimal; 0 where it is absent. */
  int64(slot: Slot): string {
    if (slot === undefined) return '0'
    this.wire.varint(last(slot), this.buf.length)
    return this.wire.int64()
  }

  /** Whether Go's omitempty would leave out the value; it never does for a struct. */
  isEmpty(field: Field, slot: number | number[]): boolean {
    switch (field.type) {
      case 'message':
        return field.message?.isList === true && this.fields(field.message, slot)[0] === undefined
      case 'string':
      case 'bytes':
        this.delimited(last(slot))
        return this.wire.start === this.wire.stop
      case 'double':
        return this.buf.readDoubleLE(last(slot)) === 0
      case 'int32':
        return this.int32(slot) === 0
      case 'bool':
      case 'int64':
        this.wire.varint(last(slot), this.buf.length)
        return this.wire.low === 0 && this.wire.high === 0
    }
  }

  #scanAt(message: Message, at: number, slots: Slots): void {
    const stop = this.delimited(at)
    this.#scan(message, this.wire.start, stop, slots)
  }

  #scan(message: Message, pos: number, end: number, slots: Slots): void {
    const { wire } = this
    while (pos < end) {
      pos = wire.tag(pos, end)
      const i = message.index[wire.number]
      if (i === undefined) {
        this.unknownFields = true
        pos = wire.skip(pos, end)
        continue
      }
      const field = message.fields[i] as Field
      if (field.shape === 'map') {
        if (wire.wireType !== LENGTH_DELIMITED) throw wrongType(message, field)
        ;((slots[i] ??= []) as number[]).push(pos, end)
        pos = wire.skip(pos, end)
        continue
      }
      let at = pos
      if (wire.wireType !== WIRE_TYPES[field.type]) {
        if (field.shape !== 'list' || wire.wireType !== LENGTH_DELIMITED) throw wrongType(message, field)
        at = ~pos
        pos = this.#skipPacked(pos, end)
      } else pos = wire.skip(pos, end)
      const slot = slots[i]
      if (slot === undefined || field.lastWins) slots[i] = at
      else if (typeof slot === 'number') slots[i] = [slot, at]
      else slot.push(at)
    }
  }

  /** The position behind a packed list of varints. Its last number may end behind the list, as for gogo/protobuf. */
  #skipPacked(pos: number, end: number): number {
    const stop = this.wire.delimited(pos, end)
    for (pos = this.wire.start; pos < stop;) pos = this.wire.varint(pos, end)
    return pos
  }
}

function wrongType({ name }: Message, { key }: Field): MalformedProtobuf {
  return new MalformedProtobuf(`${name}: wrong wire type for ${key.slice(1, -2) || 'an inlined field'}`)
}

/** All positions in a slot. */
export function positions(slot: Slot): readonly number[] {
  return typeof slot === 'number' ? [slot] : (slot ?? [])
}

/** The last position in a slot that is not empty. */
export function last(slot: number | readonly number[]): number {
  return typeof slot === 'number' ? slot : (slot[slot.length - 1] as number)
}
