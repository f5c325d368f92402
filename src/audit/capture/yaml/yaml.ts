import { Composer, isMap, Lexer, Parser } from 'yaml'
import type { CST, Document, YAMLMap } from 'yaml'
import { Converter, MAX_DEPTH, Refusal } from './yaml-convert.js'
import { hasSeparator, withoutSeparators } from './yaml-separators.js'
import { firstDocument } from './yaml-text.js'

/** What a YAML text may cost. */
export interface YAMLLimits {
  /** The longest text that is read, and the longest JSON text that may come of it, in bytes. */
  readonly maxBytes: number
}

const DEFAULT_LIMITS: YAMLLimits = { maxBytes: 4 << 20 }
/** How many tokens a text may have: a list of 1 MB has a quarter of a million. They take a few microseconds each. */
const MAX_TOKENS = 500_000

/**
 * One YAML document as JSON text on one line, as kube-apiserver reads it (sigs.k8s.io/yaml YAMLToJSON, on
 * gopkg.in/yaml.v2): scalars by YAML 1.1, keys made strings and sorted, the last of equal keys kept, aliases and merge
 * keys resolved. Of several documents it is the first. Undefined is a refusal: it is no YAML or not a mapping, JSON cannot
 * say it (.inf, null keys), or it goes beyond a limit.
 */
export function yamlToJSON(text: string, limits: YAMLLimits = DEFAULT_LIMITS): string | undefined {
  if (text.length > limits.maxBytes) return undefined
  const document = firstDocument(text.replace(/^\ufeff/, '').replace(/\r\n?|\u0085/g, '\n'))
  if (FORBIDDEN.test(document)) return undefined
  if (!hasSeparator(document)) return convert(document, document, limits)
  // The parser takes them for ordinary characters, which they may be within quotes.
  return convert(document, document, limits) ?? convert(document, withoutSeparators(document), limits)
}

/** `parsed`: `document` as the parser is to see it, character by character. */
function convert(document: string, parsed: string, { maxBytes }: YAMLLimits): string | undefined {
  try {
    const json = new Converter(parse(parsed), { document, parsed, maxBytes }).convert()
    return Buffer.byteLength(json) > maxBytes ? undefined : json
  } catch (err) {
    if (err instanceof Refusal) return undefined
    throw err
  }
}

/** What go-yaml's reader refuses, and a second byte-order mark: go-yaml passes over it, but not as over nothing. */
const FORBIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]|\p{Surrogate}|^\ufeff/u

/** The mapping that a text consists of. It throws a Refusal if it is something else or more, or a bound is exceeded. */
function parse(text: string): YAMLMap.Parsed {
  const parser = new Parser()
  const composer = new Composer(OPTIONS)
  // The composer would go on after an error, and a hostile text can have one at each byte.
  composer['onError'] = refuseErrors
  const docs: Document.Parsed[] = []
  const reading = new ReadingCheck()
  const root = new RootFlow()
  let tokens = 0
  for (const lexeme of new Lexer().lex(text)) {
    if (root.isBehind(lexeme)) break
    if (++tokens > MAX_TOKENS || parser.stack.length > MAX_DEPTH) throw new Refusal()
    if (reading.differs(lexeme)) throw new Refusal()
    for (const token of parser.next(lexeme)) docs.push(...composeToken(composer, token))
  }
  for (const token of parser.end()) docs.push(...composeToken(composer, token))
  docs.push(...composer.end())
  const [doc, ...rest] = docs
  if (!isMap(doc?.contents) || doc.errors.length > 0 || rest.length > 0) throw new Refusal()
  return doc.contents
}

/** Scalars stay text, because what they mean is ours to say. */
const OPTIONS = {
  version: '1.1',
  schema: 'failsafe',
  resolveKnownTags: false,
  uniqueKeys: false,
  merge: false,
  strict: false,
} as const

function refuseErrors(_source: unknown, _code: unknown, _message: unknown, warning?: boolean): void {
  if (warning !== true) throw new Refusal()
}

function composeToken(composer: Composer, token: CST.Token): Iterable<Document.Parsed> {
  if (token.type === 'error') throw new Refusal()
  return composer.next(token)
}

/** The lexer's mark before a plain scalar. */
const PLAIN_SCALAR = '\x1f'

/** What the lexer can say after a colon or tag that neither space nor line break follows. */
// eslint-disable-next-line no-control-regex
const GLUED = /^[[\]{},\x1f]/
const SPACE = /^[ \t\n#]/
const ESCAPED_BREAK_AND_EMPTY_LINE = /\\\n[ \t]*\n/

/** What may stand before the value that a document consists of: a mark of the lexer's, spaces, directives, `---`, a tag. */
// eslint-disable-next-line no-control-regex
const BEFORE_ROOT = /^(?:[\x02\ufeff \t\n#%&!]|---$)/

/**
 * Watches the lexer for the end of a document that is one `{...}`. Whatever follows it go-yaml takes for the next document,
 * which it does not read.
 */
class RootFlow {
  #depth = 0
  #isFlow: boolean | undefined

  /** Whether `lexeme` stands behind the document. */
  isBehind(lexeme: string): boolean {
    if (this.#isFlow === true && this.#depth === 0) {
      if (SPACE.test(lexeme)) return false
      // It was a key.
      if (lexeme === ':') throw new Refusal()
      return true
    }
    if (lexeme === '{' || lexeme === '[') {
      this.#isFlow ??= true
      this.#depth++
    } else if (lexeme === '}' || lexeme === ']') this.#depth--
    else if (!BEFORE_ROOT.test(lexeme)) this.#isFlow ??= false
    return false
  }
}

/**
 * Watches the lexer for what YAML 1.2 reads one way and go-yaml another, without an error: `{a:}`, `{?a: 1}`, `!a,b`, and
 * an escaped line break before an empty line.
 */
class ReadingCheck {
  #flow = 0
  #last = ''
  /** Whether the last thing that is not space was a plain scalar, or was a colon after one. */
  #afterPlain = false
  #colonAfterPlain = false

  differs(lexeme: string): boolean {
    const plain = this.#last === PLAIN_SCALAR
    const opens = (this.#last === ':' && this.#colonAfterPlain) || this.#last.startsWith('!')
    const glued = opens && GLUED.test(lexeme)
    this.#last = lexeme
    if (plain) {
      this.#afterPlain = true
      return this.#flow > 0 && lexeme.startsWith('?')
    }
    if (lexeme === '[' || lexeme === '{') this.#flow++
    if (lexeme === ']' || lexeme === '}') this.#flow--
    if (!SPACE.test(lexeme)) {
      this.#colonAfterPlain = lexeme === ':' && this.#afterPlain
      this.#afterPlain = false
    }
    return glued || (lexeme.startsWith('"') && ESCAPED_BREAK_AND_EMPTY_LINE.test(lexeme))
  }
}
