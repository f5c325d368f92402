import { RE2JS } from 're2js'
import { EvaluationError, noSuchOverload } from '../errors.js'
import { fn, method, type Overload, REGEX, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, INT, list, STRING, type Type } from '../types.js'
import { CelList, Optional, sizeOf, TypeValue, type Value } from '../values.js'

/** Longer patterns are refused, for what a pattern takes to compile is not counted. */
const MAX_PATTERN = 4096

/**
 * Go's regexp.Compile: RE2's syntax, and a time that is linear in text and pattern, so that no text or pattern of a token
 * can hold the event loop.
 *
 * @throws EvaluationError
 */
function compile(pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN)
    throw new EvaluationError(`a regular expression has more than ${MAX_PATTERN} characters`)
  try {
    return RE2JS.compile(pattern)
  } catch (err) {
    throw new EvaluationError(`invalid regular expression: ${(err as Error).message}`)
  }
}

type Run = (meter: Meter, text: string, pattern: RE2JS, limit?: bigint) => Value

const matches: Run = (_meter, text, pattern) => pattern.matcher(text).find()

const find: Run = (_meter, text, pattern) => {
  const matcher = pattern.matcher(text)
  return matcher.find() ? (matcher.group() ?? '') : ''
}

const findAll: Run = (meter, text, pattern, limit = -1n) => {
  const found: string[] = []
  if (limit === 0n) return new CelList(found, 'texts')
  const matcher = pattern.matcher(text)
  let end = -1
  while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) {
    // Each search may go to the end of the text.
    meter.work(4 * (text.length - matcher.end()))
    // Go: an empty match right after the last one is none.
    if (matcher.start() === matcher.end() && matcher.start() === end) continue
    end = matcher.end()
    found.push(matcher.group() ?? '')
  }
  return new CelList(found, 'texts')
}

/** cel-go and Kubernetes count the same for all of them: the text once for each part of the pattern. */
function cost(text: Value, pattern: Value): number {
  return Math.ceil((1 + sizeOf(text)) * TRAVERSAL) * Math.ceil(sizeOf(pattern) * REGEX)
}

/** What Go has a text for within a value: an optional one, and the name of a type. */
function textOf(value: Value): string | undefined {
  if (value instanceof Optional) return value.value === undefined ? undefined : textOf(value.value)
  if (value instanceof TypeValue) return value.name
  return typeof value === 'string' ? value : undefined
}

/** A constant pattern is compiled once, and what calls it then takes more than texts. */
function withConstant(name: string, run: Run): Overload['specialize'] {
  return (_text, pattern) => {
    if (typeof pattern !== 'string') return undefined
    const compiled = compile(pattern)
    return {
      unguarded: true,
      run: (meter, value: Value, _pattern: Value, limit?: Value) => {
        const text = textOf(value)
        if (text === undefined || (limit !== undefined && typeof limit !== 'bigint'))
          throw noSuchOverload(name)
        return run(meter, text, compiled, limit)
      },
    }
  }
}

function overload(make: typeof fn, name: string, params: readonly Type[], result: Type, run: Run): Overload {
  return make(
    name,
    params,
    result,
    (meter, text: string, pattern: string, limit?: bigint) => run(meter, text, compile(pattern), limit),
    { cost, specialize: withConstant(name, run) },
  )
}

/** matches() of cel-go's common/stdlib, and k8s.io/apiserver/pkg/cel/library regex. */
export const REGEXES: readonly Overload[] = [
  overload(fn, 'matches', [STRING, STRING], BOOL, matches),
  overload(method, 'matches', [STRING, STRING], BOOL, matches),
  overload(method, 'find', [STRING, STRING], STRING, find),
  overload(method, 'findAll', [STRING, STRING], list(STRING), findAll),
  overload(method, 'findAll', [STRING, STRING, INT], list(STRING), findAll),
]
