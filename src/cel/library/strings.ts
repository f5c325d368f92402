import { SHORT_ESCAPES } from '../../go-quote.js'
import { EvaluationError } from '../errors.js'
import { fn, method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { codePoints, isPlain } from '../text.js'
import { BOOL, INT, list, STRING } from '../types.js'
import { CelList, sizeOf, type Value } from '../values.js'

const traversal = { cost: (text: Value): number => Math.ceil(sizeOf(text) * TRAVERSAL), costsByName: true }
const twice = { cost: (text: Value): number => Math.ceil(sizeOf(text) * 2 * TRAVERSAL), costsByName: true }
const search = { cost: (text: Value): number => Math.trunc(sizeOf(text) * TRAVERSAL), costsByName: true }

function outOfRange(index: bigint): EvaluationError {
  return new EvaluationError(`index out of range: ${index}`)
}

/** Positions in texts are of code points. */
function position(index: bigint, length: number): number {
  if (index < 0n || index > BigInt(length)) throw outOfRange(index)
  return Number(index)
}

function charAt(_meter: Meter, text: string, index: bigint): string {
  const chars = [...text]
  return chars[position(index, chars.length)] ?? ''
}

function substring(_meter: Meter, text: string, from: bigint, to?: bigint): string {
  const chars = [...text]
  if (to !== undefined && from > to)
    throw new EvaluationError(`invalid substring range. start: ${from}, end: ${to}`)
  const start = position(from, chars.length)
  return chars.slice(start, to === undefined ? undefined : position(to, chars.length)).join('')
}

/** The UTF-16 position of a code point. */
function offsetOf(text: string, chars: number): number {
  if (isPlain(text)) return chars
  let offset = 0
  for (let i = 0; i < chars; i++) offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1
  return offset
}

/** A search may look at every character of the part at every place of the text; it does so quickly. */
function searching(meter: Meter, text: string, part: string): void {
  meter.work(Math.trunc((text.length * part.length) / 16))
}

function indexOf(meter: Meter, text: string, part: string, from = 0n): bigint {
  if (from < 0n) throw outOfRange(from)
  searching(meter, text, part)
  const length = codePoints(text)
  if (part === '') return from > BigInt(length) ? BigInt(length) : from
  if (from >= BigInt(length)) return -1n
  return found(text, text.indexOf(part, offsetOf(text, Number(from))))
}

function lastIndexOf(meter: Meter, text: string, part: string, from?: bigint): bigint {
  if (from !== undefined && from < 0n) throw outOfRange(from)
  searching(meter, text, part)
  const length = BigInt(codePoints(text))
  if (part === '') return from === undefined || from > length ? length : from
  if (from !== undefined && from >= length) return -1n
  return found(text, text.lastIndexOf(part, from === undefined ? undefined : offsetOf(text, Number(from))))
}

function found(text: string, offset: number): bigint {
  return offset < 0 ? -1n : BigInt(codePoints(text.slice(0, offset)))
}

/** Go's strings.Replace: where `old` is empty, between all characters. */
function replace(meter: Meter, text: string, old: string, by: string, limit = -1n): string {
  searching(meter, text, old)
  const pieces = pieceByPiece(text, old, limit < 0n ? Infinity : Number(limit))
  meter.size(text.length + pieces.length * by.length)
  return pieces.join(by)
}

/** The text cut at `separator`, at most so many times. */
function pieceByPiece(text: string, separator: string, cuts: number): string[] {
  if (separator !== '') {
    const pieces = text.split(separator)
    return pieces.length - 1 <= cuts ? pieces : [...pieces.slice(0, cuts), pieces.slice(cuts).join(separator)]
  }
  const chars = [...text]
  const pieces = ['', ...chars, '']
  if (pieces.length - 1 <= cuts) return chars.length === 0 && cuts >= 1 ? ['', ''] : pieces
  return [...pieces.slice(0, cuts), pieces.slice(cuts).join('')]
}

/** Go's strings.Split and SplitN: an empty separator cuts between characters. */
function split(meter: Meter, text: string, separator: string, limit = -1n): CelList {
  if (limit === 0n) return new CelList([], 'texts')
  searching(meter, text, separator)
  const most = limit < 0n ? Infinity : Number(limit)
  if (separator !== '') return new CelList(pieceByPiece(text, separator, most - 1), 'texts')
  const chars = [...text]
  const pieces = chars.length <= most ? chars : [...chars.slice(0, most - 1), chars.slice(most - 1).join('')]
  return new CelList(pieces, 'texts')
}

/** Go's unicode.IsSpace. */
const SPACES = /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/

function trim(_meter: Meter, text: string): string {
  let start = 0
  let end = text.length
  while (start < end && SPACES.test(text.charAt(start))) start++
  while (end > start && SPACES.test(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

function quote(_meter: Meter, text: string): string {
  return `"${[...text].map((char) => SHORT_ESCAPES[char] ?? char).join('')}"`
}

function join(meter: Meter, { values }: CelList, separator = ''): string {
  const texts = values.map((value) => {
    if (typeof value !== 'string') throw new EvaluationError('join: invalid input')
    meter.size(value.length + separator.length)
    return value
  })
  return texts.join(separator)
}

const joined = {
  resultCost: (text: Value): number => Math.ceil(sizeOf(text) * 2 * TRAVERSAL),
  costsByName: true,
}
const affix = { cost: (_text: Value, part: Value): number => Math.ceil(sizeOf(part) * TRAVERSAL) }

/** cel-go's own functions of texts (common/stdlib) and the second version of ext/strings, without format(). */
export const STRINGS: readonly Overload[] = [
  method('contains', [STRING, STRING], BOOL, (_meter, text: string, part: string) => text.includes(part), {
    cost: (text, part) => Math.ceil(sizeOf(text) * TRAVERSAL) * Math.ceil(sizeOf(part) * TRAVERSAL),
  }),
  method(
    'startsWith',
    [STRING, STRING],
    BOOL,
    (_m, text: string, part: string) => text.startsWith(part),
    affix,
  ),
  method('endsWith', [STRING, STRING], BOOL, (_m, text: string, part: string) => text.endsWith(part), affix),
  method('charAt', [STRING, INT], STRING, charAt),
  method('indexOf', [STRING, STRING], INT, indexOf, search),
  method('indexOf', [STRING, STRING, INT], INT, indexOf, search),
  method('lastIndexOf', [STRING, STRING], INT, lastIndexOf, search),
  method('lastIndexOf', [STRING, STRING, INT], INT, lastIndexOf, search),
  method(
    'lowerAscii',
    [STRING],
    STRING,
    (_meter, text: string) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase()),
    traversal,
  ),
  method(
    'upperAscii',
    [STRING],
    STRING,
    (_meter, text: string) => text.replace(/[a-z]+/g, (part) => part.toUpperCase()),
    traversal,
  ),
  method('replace', [STRING, STRING, STRING], STRING, replace, twice),
  method('replace', [STRING, STRING, STRING, INT], STRING, replace, twice),
  method('split', [STRING, STRING], list(STRING), split, twice),
  method('split', [STRING, STRING, INT], list(STRING), split, twice),
  method('substring', [STRING, INT], STRING, substring, traversal),
  method('substring', [STRING, INT, INT], STRING, substring, traversal),
  method('trim', [STRING], STRING, trim, traversal),
  method('join', [list(STRING)], STRING, join, joined),
  method('join', [list(STRING), STRING], STRING, join, joined),
  fn('strings.quote', [STRING], STRING, quote),
]
