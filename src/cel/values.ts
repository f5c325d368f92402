import { EvaluationError } from './errors.js'
import type { Meter } from './meter.js'
import { codePoints } from './text.js'

/** An unsigned integer of 64 bits; signed ones are bigint, doubles number. */
export class Uint {
  constructor(readonly value: bigint) {}
}

/**
 * A list. kube-apiserver treats some differently in single places: those of the input (optional.ofNonZeroValue takes an
 * empty one for a value), and those of texts alone that a function made (no group comes of them).
 */
export class CelList {
  constructor(
    readonly values: readonly Value[],
    readonly origin?: 'input' | 'texts',
  ) {}
}

/** A name of a type, as a value: what type() answers. */
export class TypeValue {
  constructor(readonly name: string) {}
}

export class Timestamp {
  /**
   * @param nanos since the epoch
   * @param offset seconds east of UTC, as it was written
   */
  constructor(
    readonly nanos: bigint,
    readonly offset: number = 0,
  ) {}
}

export class Duration {
  constructor(readonly nanos: bigint) {}
}

/** A value or none. */
export class Optional {
  static readonly NONE = new Optional(undefined)
  private constructor(readonly value: Value | undefined) {}

  static of(value: Value): Optional {
    return new Optional(value)
  }
}

/** A value of a library's own type, which expressions can only hand to the library's functions. */
export abstract class Opaque {
  abstract readonly typeName: string
  /** @returns undefined where the other is of another type: there is no such comparison */
  abstract equals(other: Value, meter: Meter): boolean | undefined
}

/**
 * An object that an expression is evaluated for, like `claims`: a map by its declared type, though kube-apiserver's has
 * neither a size nor members for `in` (k8s.io/apiserver/pkg/cel/lazy). Values are converted when they are first used.
 */
export class InputObject {
  readonly #converted = new Map<string, Value>()
  constructor(
    readonly typeName: string,
    readonly source: Readonly<Record<string, unknown>>,
  ) {}

  get(key: Value): Value | undefined {
    if (typeof key !== 'string') throw new EvaluationError('no such overload')
    const name = unescapeName(key)
    if (name === undefined || !Object.hasOwn(this.source, name)) return undefined
    let value = this.#converted.get(name)
    if (value === undefined) this.#converted.set(name, (value = toValue(this.source[name])))
    return value
  }

  /** What a macro goes through: in kube-apiserver these are the values, not the keys. */
  values(): Value[] {
    return Object.keys(this.source).flatMap((name) => this.get(name) ?? [])
  }
}

export type MapKey = boolean | bigint | number | string | Uint

export type Value =
  | MapKey
  | null
  | Uint8Array
  | CelList
  | CelMap
  | TypeValue
  | Timestamp
  | Duration
  | Optional
  | Opaque
  | InputObject

/** A map. A number finds a key of the same value, whatever their types. */
export class CelMap {
  readonly #entries = new Map<string, readonly [MapKey, Value]>()

  /** @param escaped of the input: names are found by their escaped form as well, `a__dot__b` for `a.b` */
  constructor(
    entries: Iterable<readonly [MapKey, Value]>,
    readonly escaped = false,
  ) {
    for (const [key, value] of entries) this.#entries.set(keyText(key), [key, value])
  }

  get size(): number {
    return this.#entries.size
  }

  keys(): MapKey[] {
    return [...this.#entries.values()].map(([key]) => key)
  }

  entries(): (readonly [MapKey, Value])[] {
    return [...this.#entries.values()]
  }

  get(key: Value): Value | undefined {
    if (typeof key === 'string') {
      const name = this.escaped ? (unescapeName(key) ?? key) : key
      return this.#entries.get(`s${name}`)?.[1]
    }
    for (const text of keyTexts(key)) {
      const found = this.#entries.get(text)
      if (found !== undefined) return found[1]
    }
    return undefined
  }

  /** Adds to a map that nobody else sees yet. */
  set(key: MapKey, value: Value): void {
    this.#entries.set(keyText(key), [key, value])
  }

  delete(key: MapKey): void {
    this.#entries.delete(keyText(key))
  }
}

/** @throws EvaluationError where no map can have such a key */
export function mapKey(value: Value): MapKey {
  if (typeof value !== 'object' || value instanceof Uint) return value
  throw new EvaluationError('unsupported key type')
}

function keyText(key: MapKey): string {
  if (key instanceof Uint) return `u${key.value}`
  return `${(typeof key).charAt(0)}${String(key)}`
}

/** A bigint's is `b…`, like that of a boolean, whose texts are others. */
function keyTexts(key: Value): string[] {
  if (typeof key === 'boolean') return [keyText(key)]
  if (typeof key === 'number' && !Number.isInteger(key)) return [keyText(key)]
  const number = typeof key === 'bigint' ? key : key instanceof Uint ? key.value : undefined
  const integer = typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : number
  return integer === undefined ? [] : [`b${integer}`, `u${integer}`, `n${integer}`]
}

/**
 * A value of JSON, as Go's encoding/json and cel-go's adapter read it: every number is a double.
 *
 * @throws EvaluationError
 */
export function toValue(json: unknown): Value {
  if (typeof json === 'string') return wellFormed(json)
  if (typeof json === 'boolean' || json === null) return json
  if (typeof json === 'number' && Number.isFinite(json)) return json
  if (Array.isArray(json)) return new CelList(json.map(toValue), 'input')
  if (typeof json !== 'object') throw new EvaluationError('a number is out of range')
  return new CelMap(
    Object.entries(json).map(([key, value]) => [wellFormed(key), toValue(value)] as const),
    true,
  )
}

/** Go has no halves of surrogate pairs in its texts. */
function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text).toString() : text
}

const ESCAPES: Readonly<Record<string, string>> = { underscores: '__', dot: '.', dash: '-', slash: '/' }
const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return'.split(
    ' ',
  ),
)

/** k8s.io/apiserver/pkg/cel Unescape; undefined where the escapes are none. */
function unescapeName(escaped: string): string | undefined {
  let valid = true
  const name = escaped.replace(/__([^_]+)__/g, (all, contents: string) => {
    const found = Object.hasOwn(ESCAPES, contents) ? ESCAPES[contents] : undefined
    if (found !== undefined) return found
    if (!RESERVED.has(contents) || all.length !== escaped.length) valid = false
    return contents
  })
  return valid ? name : undefined
}

/** The name of a value's type. */
export function typeName(value: Value): string {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'double'
  if (typeof value === 'string') return 'string'
  if (value === null) return 'null_type'
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof CelList) return 'list'
  if (value instanceof CelMap) return 'map'
  if (value instanceof TypeValue) return 'type'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  return value instanceof Optional ? 'optional_type' : value.typeName
}

/** How much there is of a value to go through: characters, bytes, items; 1 of anything else. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return codePoints(value)
  if (value instanceof Uint8Array) return value.length
  if (value instanceof CelList) return value.values.length
  if (value instanceof CelMap) return value.size
  if (value instanceof Optional && value.value !== undefined) return sizeOf(value.value)
  return 1
}
