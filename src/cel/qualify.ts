import { EvaluationError } from './errors.js'
import { CelList, CelMap, InputObject, Optional, Uint, type Value } from './values.js'

/**
 * The value below a key or an index; undefined where there is none (cel-go interpreter/attributes.go refQualify).
 *
 * @throws EvaluationError for a key of a kind that there cannot be
 */
function find(object: Value, key: Value): Value | undefined {
  if (object instanceof CelMap || object instanceof InputObject) return object.get(key)
  return object instanceof CelList ? object.values[indexOf(key)] : undefined
}

function indexOf(key: Value): number {
  if (typeof key === 'bigint') return Number(key)
  if (key instanceof Uint) return Number(key.value)
  if (typeof key === 'number' && Number.isInteger(key)) return key
  throw new EvaluationError('unsupported index type in list')
}

/** `object.key`, `object[key]`: of an optional object, an optional value. */
export function select(object: Value, key: Value): Value {
  if (object instanceof Optional) return selectOptional(object, key)
  const value = find(object, key)
  if (value === undefined) {
    const shown = key instanceof Uint ? key.value : typeof key === 'object' ? '' : key
    throw new EvaluationError(
      object instanceof CelList ? `index out of bounds: ${shown}` : `no such key: ${shown}`,
    )
  }
  return value
}

/** `object.?key`, `object[?key]`: an optional value. */
export function selectOptional(object: Value, key: Value): Value {
  const target = object instanceof Optional ? object.value : object
  if (target === undefined) return Optional.NONE
  const value = find(target, key)
  return value === undefined ? Optional.NONE : Optional.of(value)
}

/** `has(object.field)` */
export function isPresent(object: Value, field: string): boolean {
  const target = object instanceof Optional ? object.value : object
  return target !== undefined && find(target, field) !== undefined
}
