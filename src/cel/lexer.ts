import { compileError } from './errors.js'
import { unescapeBytes, unescapeString } from './literals.js'
import { Uint, type Value } from './values.js'

/**
 * `word` is an identifier, `escaped` one in backticks, `number` and `text` have a value, `op` is an operator, a bracket or one
 * of the words that no field can be called by (in, true, false, null).
 */
export interface Token {
  readonly kind: 'word' | 'escaped' | 'int' | 'value' | 'op' | 'end'
  readonly text: string
  readonly pos: number
  /** Of `value`. */
  readonly value?: Value
}

const WHITE = /(?:[\t \r\n\f]+|\/\/[^\n]*)+/y
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y
const ESCAPED = /`[A-Za-z0-9_.\-/ ]+`/y
const UINT = /(?:0x[0-9a-fA-F]+|[0-9]+)[uU]/y
const FLOAT = /(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)/y
const INT = /(?:0x[0-9a-fA-F]+|[0-9]+)/y
const OPERATOR = /==|!=|<=|>=|&&|\|\||[<>()[\]{}.,\-!?:+*/%]/y
const STRING = /([bB]?)([rR]?)("""|'''|"|')/y
const KEYWORDS = new Set(['in', 'true', 'false', 'null'])

/**
 * Cuts an expression into tokens, as cel-go's grammar does (parser/gen/CEL.g4).
 *
 * @throws CompileError
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let pos = 0
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = pos
    return pattern.exec(text)
  }
  const add = (kind: Token['kind'], length: number, value?: Value): void => {
    tokens.push({ kind, text: text.slice(pos, pos + length), pos, ...(value === undefined ? {} : { value }) })
    pos += length
  }
  for (;;) {
    pos += match(WHITE)?.[0].length ?? 0
    if (pos >= text.length) return [...tokens, { kind: 'end', text: '<EOF>', pos }]
    const string = match(STRING)
    if (string !== null) {
      const { length, value } = readString(text, pos, string)
      add('value', length, value)
      continue
    }
    const word = match(WORD)?.[0]
    const escaped = match(ESCAPED)?.[0]
    const uint = match(UINT)?.[0]
    const float = match(FLOAT)?.[0]
    const int = match(INT)?.[0]
    const operator = match(OPERATOR)?.[0]
    if (word !== undefined) add(KEYWORDS.has(word) ? 'op' : 'word', word.length)
    else if (escaped !== undefined) add('escaped', escaped.length)
    else if (uint !== undefined) add('value', uint.length, parseUint(text, pos, uint))
    else if (float !== undefined) add('value', float.length, parseFloat64(text, pos, float))
    else if (int !== undefined) add('int', int.length)
    else if (operator !== undefined) add('op', operator.length)
    else throw compileError(text, pos, `Syntax error: token recognition error at: '${text.charAt(pos)}'`)
  }
}

function readString(text: string, pos: number, opening: RegExpExecArray): { length: number; value: Value } {
  const [prefix, bytes = '', raw = '', quote = ''] = opening
  const triple = quote.length === 3
  let end = pos + prefix.length
  while (!text.startsWith(quote, end)) {
    const char = text[end]
    if (char === undefined || (!triple && (char === '\n' || char === '\r')))
      throw compileError(text, pos, 'Syntax error: a string has no end')
    end += char === '\\' && raw === '' ? 2 : 1
  }
  const body = text.slice(pos + prefix.length, end).replace(/\r\n?/g, '\n')
  const length = end + quote.length - pos
  try {
    if (bytes !== '') return { length, value: unescapeBytes(body, raw !== '') }
    return { length, value: raw === '' ? unescapeString(body) : body }
  } catch (err) {
    throw compileError(text, pos, (err as Error).message)
  }
}

function parseUint(text: string, pos: number, literal: string): Uint {
  const value = BigInt(literal.slice(0, -1))
  if (value > 0xffffffffffffffffn) throw compileError(text, pos, 'invalid uint literal')
  return new Uint(value)
}

function parseFloat64(text: string, pos: number, literal: string): number {
  const value = Number(literal)
  if (!Number.isFinite(value)) throw compileError(text, pos, 'invalid double literal')
  return value
}
