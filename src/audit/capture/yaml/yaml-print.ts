import type { Resolved } from './yaml-scalars.js'

/** What JSON cannot say. It is a refusal only if it is still there in the end: a later key may replace it. */
export const UNSPEAKABLE = Symbol('unspeakable')
export type JSONText = string | typeof UNSPEAKABLE
/** A key, not quoted. */
export type JSONKey = string | typeof UNSPEAKABLE

/** A mapping that becomes a JSON object. */
export class JSONMap {
  readonly #entries = new Map<JSONKey, JSONText>()

  /** A key that is there already is replaced, as go-yaml does where it is not strict. */
  set(key: JSONKey, value: JSONText): void {
    this.#entries.set(key, value)
  }

  /** With its keys in order, as Go prints maps. */
  print(): JSONText {
    const keys: string[] = []
    for (const [key, value] of this.#entries) {
      if (key === UNSPEAKABLE || value === UNSPEAKABLE) return UNSPEAKABLE
      keys.push(key)
    }
    keys.sort()
    let out = '{'
    for (const key of keys) {
      if (out.length > 1) out += ','
      out += JSON.stringify(key) + ':' + (this.#entries.get(key) as string)
    }
    return out + '}'
  }
}

/** A scalar as Go's encoding/json prints it. */
export function printValue(value: Resolved): JSONText {
  switch (value.kind) {
    case 'null':
      return 'null'
    case 'bool':
    case 'int':
      return String(value.value)
    case 'float':
      if (!Number.isFinite(value.value)) return UNSPEAKABLE
      return Object.is(value.value, -0) ? '-0' : String(value.value)
    case 'string':
      return JSON.stringify(value.value)
  }
}

const MAX_INT64 = 2n ** 63n - 1n

/** A scalar as a key (sigs.k8s.io/yaml convertToJSONableObject). It knows no null and no uint64 there. */
export function printKey(value: Resolved): JSONKey {
  switch (value.kind) {
    case 'null':
      return UNSPEAKABLE
    case 'bool':
      return String(value.value)
    case 'int':
      return value.value > MAX_INT64 ? UNSPEAKABLE : String(value.value)
    case 'float':
      return printFloatKey(value.value)
    case 'string':
      return value.value
  }
}

/** Go's strconv.FormatFloat(value, 'g', -1, 32): the fewest digits that tell the float32, `1e+06` from six zeros on. */
function printFloatKey(value: number): string {
  const float32 = Math.fround(value)
  if (Number.isNaN(float32)) return '.nan'
  if (!Number.isFinite(float32)) return float32 > 0 ? '.inf' : '-.inf'
  if (float32 === 0) return Object.is(float32, -0) ? '-0' : '0'
  let fraction = 0
  while (fraction < 8 && Math.fround(Number(float32.toExponential(fraction))) !== float32) fraction++
  const [digits, exponent] = float32.toExponential(fraction).split('e') as [string, string]
  const power = Number(exponent)
  if (power >= -4 && power < 6) return Number(`${digits}e${power}`).toFixed(Math.max(0, fraction - power))
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}
