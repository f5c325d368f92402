import { EvaluationError } from '../errors.js'
import { method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { DYN, list, STRING } from '../types.js'
import { type CelList, sizeOf, typeName, Uint, type Value } from '../values.js'
import { type Clause, parseFormat, type Verb } from './format-clauses.js'
import { formatFixed, formatScientific } from './format-numbers.js'
import { formatString } from './format-values.js'

const DEFAULT_PRECISION = 6

type Formatter = (meter: Meter, value: Value, precision: number) => string

/** @throws EvaluationError */
function refuse(verb: Verb, value: Value): never {
  throw new EvaluationError(`error during formatting: %${verb} of ${typeName(value)}`)
}

function integer(value: Value): bigint | undefined {
  if (value instanceof Uint) return value.value
  return typeof value === 'bigint' ? value : undefined
}

function inBase(verb: Verb, base: number): Formatter {
  return (_meter, value) => integer(value)?.toString(base) ?? refuse(verb, value)
}

const binary = inBase('b', 2)
const hexInteger = inBase('x', 16)

function hex(meter: Meter, value: Value): string {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) return hexInteger(meter, value, 0)
  meter.size(2 * value.length)
  return Buffer.from(value as string).toString('hex')
}

const NOT_FINITE: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity }

/** The texts for what is no finite number are taken as well. */
function double(verb: Verb, value: Value): number {
  if (typeof value === 'number') return value
  const number = typeof value === 'string' && Object.hasOwn(NOT_FINITE, value) ? NOT_FINITE[value] : undefined
  return number ?? refuse(verb, value)
}

const FORMATTERS: Readonly<Record<Verb, Formatter>> = {
  s: formatString,
  d: inBase('d', 10),
  f: (meter, value, precision) => formatFixed(meter, double('f', value), precision),
  e: (meter, value, precision) => formatScientific(meter, double('e', value), precision),
  b: (meter, value, precision) =>
    typeof value === 'boolean' ? (value ? '1' : '0') : binary(meter, value, precision),
  x: hex,
  X: (meter, value) => hex(meter, value).toUpperCase(),
  o: inBase('o', 8),
}

function format(meter: Meter, text: string, { values }: CelList): string {
  let at = 0
  const argument = ({ verb, precision }: Clause): string => {
    const value = values[at++]
    if (value === undefined) throw new EvaluationError(`index ${at - 1} out of range`)
    return FORMATTERS[verb](meter, value, precision ?? DEFAULT_PRECISION)
  }
  let formatted = ''
  for (const part of parseFormat(text)) {
    formatted += typeof part === 'string' ? part : argument(part)
    meter.size(formatted.length)
  }
  return formatted
}

/** cel-go ext/strings, version 2: format(). */
export const FORMAT: readonly Overload[] = [
  method('format', [STRING, list(DYN)], STRING, format, {
    cost: (text: Value) => Math.ceil(sizeOf(text) * TRAVERSAL),
  }),
]
