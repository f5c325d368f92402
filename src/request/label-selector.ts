import { isQualifiedName, isValidLabelValue } from '../names.js'
import { isInt64 } from './int64.js'

/**
 * Label selectors, as far as a request's name needs them: an invalid one costs a list its name.
 *
 *     requirement,...   where requirement is   KEY   !KEY   KEY in (VALUE,...)   KEY notin (VALUE,...)
 *                                              KEY = VALUE   ==   !=   > INTEGER   < INTEGER
 */

/** Reads one token after the other, and looks at most one ahead. The end of the text is the empty token. */
class Lexer {
  readonly #token = /[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+|$)/y
  readonly #text: string
  #next: string

  constructor(text: string) {
    this.#text = text
    this.#next = this.#scan()
  }

  peek(): string {
    return this.#next
  }

  take(): string {
    const token = this.#next
    this.#next = this.#scan()
    return token
  }

  #scan(): string {
    return this.#token.exec(this.#text)?.[1] ?? ''
  }
}

/** Whether k8s.io/apimachinery/pkg/labels Parse takes the selector. */
export function isValidLabelSelector(selector: string): boolean {
  const lexer = new Lexer(selector)
  if (lexer.peek() === '') return true
  for (;;) {
    if (!takeRequirement(lexer)) return false
    const separator = lexer.take()
    if (separator === '') return true
    if (separator !== ',') return false
  }
}

function isIdentifier(token: string): boolean {
  return token !== '' && !/^[=!(),<>]/.test(token)
}

function takeRequirement(lexer: Lexer): boolean {
  const negated = lexer.peek() === '!'
  if (negated) lexer.take()
  const key = lexer.take()
  if (!isIdentifier(key) || !isQualifiedName(key)) return false
  if (negated || lexer.peek() === '' || lexer.peek() === ',') return true
  switch (lexer.take()) {
    case 'in':
    case 'notin':
      return takeValues(lexer)
    case '=':
    case '==':
    case '!=':
      return takeValue(lexer, isValidLabelValue)
    case '<':
    case '>':
      return takeValue(lexer, (value) => isValidLabelValue(value) && isInt64(value))
    default:
      return false
  }
}

/** One value; none before a comma or the end is the empty one. */
function takeValue(lexer: Lexer, isValid: (value: string) => boolean): boolean {
  if (lexer.peek() === '' || lexer.peek() === ',') return isValid('')
  const value = lexer.take()
  return isIdentifier(value) && isValid(value)
}

/** `(VALUE,...)`. Values may be empty, except that kube-apiserver stumbles over an even number of commas at the end. */
function takeValues(lexer: Lexer): boolean {
  if (lexer.take() !== '(') return false
  while (lexer.peek() !== ')') {
    const token = lexer.take()
    if (token === ',') {
      if (lexer.peek() === ',') {
        lexer.take()
        if (lexer.peek() === ')') return false
      }
    } else if (
      !isIdentifier(token) ||
      !isValidLabelValue(token) ||
      (lexer.peek() !== ',' && lexer.peek() !== ')')
    ) {
      return false
    }
  }
  lexer.take()
  return true
}
