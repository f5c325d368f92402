import { CelList, CelMap, Optional, typeName, type Value } from './values.js'

/** A type of the checker: cel-go's common/types Type. `params` are those of list, map, type and optional_type. */
export interface Type {
  readonly kind:
    | 'dyn'
    | 'any'
    | 'error'
    | 'null_type'
    | 'primitive'
    | 'time'
    | 'list'
    | 'map'
    | 'type'
    | 'opaque'
    | 'struct'
    | 'param'
  readonly name: string
  readonly params: readonly Type[]
  /** Of a struct that has them. */
  readonly fields?: ReadonlyMap<string, Type>
}

function simple(kind: Type['kind'], name: string): Type {
  return { kind, name, params: [] }
}

export const DYN = simple('dyn', 'dyn')
export const ANY = simple('any', 'any')
export const NULL = simple('null_type', 'null_type')
export const BOOL = simple('primitive', 'bool')
export const INT = simple('primitive', 'int')
export const UINT = simple('primitive', 'uint')
export const DOUBLE = simple('primitive', 'double')
export const STRING = simple('primitive', 'string')
export const BYTES = simple('primitive', 'bytes')
export const TIMESTAMP = simple('time', 'google.protobuf.Timestamp')
export const DURATION = simple('time', 'google.protobuf.Duration')

export function list(element: Type): Type {
  return { kind: 'list', name: 'list', params: [element] }
}

export function map(key: Type, value: Type): Type {
  return { kind: 'map', name: 'map', params: [key, value] }
}

export function typeOfType(type: Type): Type {
  return { kind: 'type', name: 'type', params: [type] }
}

export function optional(type: Type): Type {
  return { kind: 'opaque', name: 'optional_type', params: [type] }
}

export function param(name: string): Type {
  return simple('param', name)
}

/** A library's own type, or an object with declared fields. */
export function struct(name: string, fields?: ReadonlyMap<string, Type>): Type {
  return { kind: 'struct', name, params: [], ...(fields === undefined ? {} : { fields }) }
}

/** As cel-go writes it: `map(string, any)`. */
export function typeText({ kind, name, params }: Type): string {
  return params.length === 0 || kind === 'param' ? name : `${name}(${params.map(typeText).join(', ')})`
}

export function isDyn({ kind }: Type): boolean {
  return kind === 'dyn' || kind === 'any'
}

export function isOptional({ kind, name }: Type): boolean {
  return kind === 'opaque' && name === 'optional_type'
}

/** The same type in every part. */
export function isExact(a: Type, b: Type): boolean {
  return (
    a.kind === b.kind &&
    a.name === b.name &&
    a.params.length === b.params.length &&
    a.params.every((one, i) => isExact(one, b.params[i] as Type))
  )
}

/** Whether a value may be handed to a parameter: of lists and maps the first item decides, as in cel-go. */
export function accepts(type: Type, value: Value): boolean {
  const [first, second] = type.params
  switch (type.kind) {
    case 'dyn':
    case 'any':
    case 'param':
    case 'error':
      return true
    case 'list': {
      const item = value instanceof CelList ? value.values[0] : undefined
      return value instanceof CelList && (item === undefined || accepts(first as Type, item))
    }
    case 'map': {
      if (!(value instanceof CelMap)) return false
      const [key] = value.keys()
      return (
        key === undefined || (accepts(first as Type, key) && accepts(second as Type, value.get(key) as Value))
      )
    }
    case 'opaque':
      if (!isOptional(type)) return typeName(value) === type.name
      return value instanceof Optional && (value.value === undefined || accepts(first as Type, value.value))
    case 'null_type':
    case 'primitive':
    case 'time':
    case 'type':
    case 'struct':
      return typeName(value) === type.name
  }
}
