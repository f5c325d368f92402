import { RE2JS } from 're2js'
import { EvaluationError } from '../errors.js'
import { fn, method, type Overload, REGEX, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, INT, list, STRING } from '../types.js'
import { CelList, sizeOf, type Value } from '../values.js'

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

function matches(_meter: Meter, text: string, pattern: string): boolean {
  return compile(pattern).matcher(text).find()
}

function find(_meter: Meter, text: string, pattern: string): string {
  const matcher = compile(pattern).matcher(text)
  return matcher.find() ? (matcher.group() ?? '') : ''
}

function findAll(meter: Meter, text: string, pattern: string, limit = -1n): CelList {
  const found: string[] = []
  if (limit === 0n) return new CelList(found, 'texts')
  const matcher = compile(pattern).matcher(text)
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
const options = {
  cost: (text: Value, pattern: Value): number =>
    Math.ceil((1 + sizeOf(text)) * TRAVERSAL) * Math.ceil(sizeOf(pattern) * REGEX),
  check: (_text: Value | undefined, pattern: Value | undefined): void => {
    if (typeof pattern === 'string') compile(pattern)
  },
}

/** matches() of cel-go's common/stdlib, and k8s.io/apiserver/pkg/cel/library regex. */
export const REGEXES: readonly Overload[] = [
  fn('matches', [STRING, STRING], BOOL, matches, options),
  method('matches', [STRING, STRING], BOOL, matches, options),
  method('find', [STRING, STRING], STRING, find, options),
  method('findAll', [STRING, STRING], list(STRING), findAll, options),
  method('findAll', [STRING, STRING, INT], list(STRING), findAll, options),
]
