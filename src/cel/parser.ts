import type { Call, Expr, ListLiteral, MapLiteral } from './ast.js'
import { compileError, type CompileError } from './errors.js'
import { tokenize, type Token } from './lexer.js'
import { expandMacro } from './macros.js'

/** cel-go's limits: characters of an expression, and how deep it may nest (parser/options.go). */
const MAX_LENGTH = 100_000
const MAX_DEPTH = 250

const RESERVED = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
)
const RELATIONS = new Set(['<', '<=', '>', '>=', '==', '!=', 'in'])
const ADDITIONS = new Set(['+', '-'])
const MULTIPLICATIONS = new Set(['*', '/', '%'])

/**
 * Parses an expression and expands its macros (cel-go's parser/gen/CEL.g4 and parser/parser.go, with optional syntax and
 * identifiers in backticks).
 *
 * @throws CompileError
 */
export function parse(text: string): Expr {
  const length = [...text].length
  if (length > MAX_LENGTH) {
    throw compileError(
      text,
      0,
      `expression code point size exceeds limit: size: ${length}, limit ${MAX_LENGTH}`,
    )
  }
  return new Parser(text, tokenize(text)).parse()
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #next = 0
  #nesting = 0
  /** How deep the chains of operators and selections are, by their last node. */
  readonly #depths = new WeakMap<Expr, number>()

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text
    this.#tokens = tokens
  }

  parse(): Expr {
    const expr = this.#expr()
    if (this.#token.kind !== 'end') throw this.#unexpected()
    return expr
  }

  get #token(): Token {
    return this.#tokens[this.#next] as Token
  }

  #is(op: string): boolean {
    const { kind, text } = this.#token
    return kind === 'op' && text === op
  }

  #accept(op: string): boolean {
    if (!this.#is(op)) return false
    this.#next++
    return true
  }

  #expect(op: string): void {
    if (!this.#accept(op)) throw this.#unexpected(`'${op}'`)
  }

  #unexpected(expected?: string): CompileError {
    const { text, pos } = this.#token
    return this.#fail(
      pos,
      `Syntax error: mismatched input '${text}'${expected === undefined ? '' : ` expecting ${expected}`}`,
    )
  }

  #fail(pos: number, message: string): CompileError {
    return compileError(this.#text, pos, message)
  }

  #expr(): Expr {
    if (++this.#nesting > MAX_DEPTH) throw this.#tooDeep()
    const condition = this.#logical('||', () => this.#logical('&&', () => this.#relation()))
    const { pos } = this.#token
    let expr = condition
    if (this.#accept('?')) {
      const yes = this.#logical('||', () => this.#logical('&&', () => this.#relation()))
      this.#expect(':')
      expr = this.#call(pos, '_?_:_', [condition, yes, this.#expr()])
    }
    this.#nesting--
    return expr
  }

  #tooDeep(): CompileError {
    return this.#fail(this.#token.pos, `expression recursion limit exceeded: ${MAX_DEPTH}`)
  }

  /** However many there are, they make one call: none is deeper than the others. */
  #logical(op: '&&' | '||', operand: () => Expr): Expr {
    const first = operand()
    const { pos } = this.#token
    const terms = [first]
    while (this.#accept(op)) terms.push(operand())
    return terms.length === 1
      ? first
      : { kind: 'call', pos, function: `_${op}_`, target: undefined, args: terms }
  }

  #relation(): Expr {
    return this.#chain(RELATIONS, () =>
      this.#chain(ADDITIONS, () => this.#chain(MULTIPLICATIONS, () => this.#unary())),
    )
  }

  #chain(operators: ReadonlySet<string>, operand: () => Expr): Expr {
    let left = operand()
    while (this.#token.kind === 'op' && operators.has(this.#token.text)) {
      const { pos, text } = this.#token
      this.#next++
      const right = operand()
      left = this.#call(pos, text === 'in' ? '@in' : `_${text}_`, [left, right])
    }
    return left
  }

  #unary(): Expr {
    const { pos, text, kind } = this.#token
    if (kind !== 'op' || (text !== '!' && text !== '-')) return this.#member()
    const literal = text === '-' ? this.#negativeLiteral() : undefined
    if (literal !== undefined) return this.#member(literal)
    let count = 0
    while (this.#accept(text)) count++
    const operand = this.#member()
    return count % 2 === 0 ? operand : this.#call(pos, text === '!' ? '!_' : '-_', [operand])
  }

  /** The sign belongs to a number that follows. */
  #negativeLiteral(): Expr | undefined {
    const { pos } = this.#token
    const number = this.#tokens[this.#next + 1]
    if (number?.kind === 'int') {
      this.#next += 2
      return { kind: 'literal', pos, value: this.#int(pos, -BigInt(number.text)) }
    }
    if (number?.kind === 'value' && typeof number.value === 'number') {
      this.#next += 2
      return { kind: 'literal', pos, value: -number.value }
    }
    return undefined
  }

  #int(pos: number, value: bigint): bigint {
    if (BigInt.asIntN(64, value) !== value) throw this.#fail(pos, 'invalid int literal')
    return value
  }

  #member(primary: Expr = this.#primary()): Expr {
    let expr = primary
    for (;;) {
      const { pos } = this.#token
      if (this.#accept('.')) expr = this.#selection(pos, expr)
      else if (this.#accept('[')) {
        const name = this.#accept('?') ? '_[?_]' : '_[_]'
        const index = this.#expr()
        this.#expect(']')
        expr = this.#call(pos, name, [expr, index])
      } else return expr
    }
  }

  #selection(pos: number, operand: Expr): Expr {
    const optional = this.#accept('?')
    const { kind, text, pos: at } = this.#token
    if (kind !== 'word' && kind !== 'escaped') throw this.#unexpected('IDENTIFIER')
    this.#next++
    const field = kind === 'escaped' ? text.slice(1, -1) : text
    if (optional) {
      return this.#call(pos, '_?._', [operand, { kind: 'literal', pos: at, value: field }])
    }
    if (kind === 'word' && this.#is('(')) {
      const open = this.#token.pos
      const args = this.#arguments()
      return this.#deepen(
        [operand, ...args],
        expandMacro(this.#text, open, text, operand, args) ?? {
          kind: 'call',
          pos: open,
          function: text,
          target: operand,
          args,
        },
      )
    }
    return this.#deepen([operand], { kind: 'select', pos, operand, field, test: false })
  }

  #arguments(): Expr[] {
    this.#expect('(')
    const args: Expr[] = []
    if (this.#accept(')')) return args
    do args.push(this.#expr())
    while (this.#accept(','))
    this.#expect(')')
    return args
  }

  #primary(): Expr {
    const { kind, text, pos, value } = this.#token
    if (kind === 'value' && value !== undefined) {
      this.#next++
      return { kind: 'literal', pos, value }
    }
    if (kind === 'int') {
      this.#next++
      return { kind: 'literal', pos, value: this.#int(pos, BigInt(text)) }
    }
    if (kind === 'word' || this.#is('.')) return this.#identifier()
    if (this.#accept('(')) {
      const expr = this.#expr()
      this.#expect(')')
      return expr
    }
    if (this.#accept('[')) return this.#list(pos)
    if (this.#accept('{')) return this.#map(pos)
    for (const [word, constant] of [
      ['true', true] as const,
      ['false', false] as const,
      ['null', null] as const,
    ]) {
      if (this.#accept(word)) return { kind: 'literal', pos, value: constant }
    }
    throw this.#unexpected()
  }

  #identifier(): Expr {
    const dot = this.#accept('.') ? '.' : ''
    const { kind, text, pos } = this.#token
    if (kind !== 'word') throw this.#unexpected('IDENTIFIER')
    this.#next++
    this.#refuseMessage()
    if (RESERVED.has(text)) throw this.#fail(pos, `reserved identifier: ${text}`)
    const name = dot + text
    if (!this.#is('(')) return { kind: 'ident', pos, name }
    const open = this.#token.pos
    const args = this.#arguments()
    return expandMacro(this.#text, open, name, undefined, args) ?? this.#call(open, name, args)
  }

  /** `Name{` and `a.b.Name{` make protocol buffers. */
  #refuseMessage(): void {
    let next = this.#next
    const isOp = (at: number, op: string): boolean => {
      const token = this.#tokens[at]
      return token?.kind === 'op' && token.text === op
    }
    while (isOp(next, '.') && this.#tokens[next + 1]?.kind === 'word') next += 2
    if (isOp(next, '{')) {
      throw this.#fail(this.#token.pos, 'message literals (Name{field: value}) are not supported here')
    }
  }

  #list(pos: number): ListLiteral {
    const elements: { value: Expr; optional: boolean }[] = []
    while (!this.#is(']')) {
      if (elements.length === 0 && this.#accept(',')) break
      const optional = this.#accept('?')
      elements.push({ optional, value: this.#expr() })
      if (!this.#accept(',')) break
    }
    this.#expect(']')
    return { kind: 'list', pos, elements }
  }

  #map(pos: number): MapLiteral {
    const entries: { key: Expr; value: Expr; optional: boolean }[] = []
    while (!this.#is('}')) {
      if (entries.length === 0 && this.#accept(',')) break
      const optional = this.#accept('?')
      const key = this.#expr()
      this.#expect(':')
      entries.push({ optional, key, value: this.#expr() })
      if (!this.#accept(',')) break
    }
    this.#expect('}')
    return { kind: 'map', pos, entries }
  }

  #call(pos: number, name: string, args: readonly Expr[]): Expr {
    const call: Call = { kind: 'call', pos, function: name, target: undefined, args }
    return this.#deepen(args, call)
  }

  #deepen(parts: readonly Expr[], expr: Expr): Expr {
    const depth = 1 + Math.max(0, ...parts.map((part) => this.#depths.get(part) ?? 0))
    if (depth > MAX_DEPTH) throw this.#tooDeep()
    this.#depths.set(expr, depth)
    return expr
  }
}
