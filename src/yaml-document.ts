import { ConfigError } from './errors.js'
import { nearest } from './nearest.js'
import { parseJSON } from './yaml/json-tree.js'
import { type FieldTree, type Parsed, quote, type Tree, TreeError } from './yaml/tree.js'
import { readYAML } from './yaml/yaml-text.js'
import { convertYAML } from './yaml/yaml-tree.js'

/** Takes one line about what is accepted and probably not meant. */
export type Warn = (warning: string) => void

/** What all fields of one document share. */
interface Source {
  readonly file: string
  readonly lines: Lines
  /** Undefined where what a warning would be for is refused. */
  readonly warn: Warn | undefined
  /** JSON's fields keep their order in Go, YAML's are sorted. */
  readonly isJSON: boolean
}

/**
 * Reads a file with one YAML (or JSON) document, as YAML 1.1, which is what Kubernetes reads.
 *
 * @param file for messages
 * @throws ConfigError for bad syntax, a key that repeats, no document or several
 */
export function parseDocument(text: string, file: string): Field {
  return rootOf(text, file, undefined)
}

/**
 * As parseDocument, as leniently as Kubernetes' decoders read what has always been read: only the first document counts,
 * a field that repeats has its last value, and fields that are not known are ignored, each with a warning. What begins
 * with `{` has to be JSON.
 */
export function parseLenientDocument(text: string, file: string, warn: Warn): Field {
  return rootOf(text, file, warn)
}

/** k8s.io/apimachinery/pkg/util/yaml IsJSONBuffer. */
function isJSON(text: string): boolean {
  return /^[\t-\r\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*\{/.test(text)
}

function rootOf(text: string, file: string, warn: Warn | undefined): Field {
  const json = warn !== undefined && isJSON(text)
  let lines = new Lines(text)
  let parsed: Parsed
  try {
    if (json) parsed = parseJSON(text)
    else {
      const yaml = readYAML(text)
      lines = new Lines(yaml.text)
      parsed = convertYAML(yaml)
    }
  } catch (err) {
    if (!(err instanceof TreeError)) throw err
    const where = err.offset === undefined ? '' : ` line ${lines.at(err.offset)}:`
    throw new ConfigError(`${file}:${where} ${err.message}`)
  }
  const root = new Field({ file, lines, warn, isJSON: json }, '', parsed.root, undefined)
  if (!root.present) throw new ConfigError(`${file}: found nothing, expected a YAML or JSON document`)
  for (const { offset, message, ignored } of parsed.problems) {
    const where = `${file}: line ${lines.at(offset)}`
    if (warn === undefined) throw new ConfigError(`${where}: ${message}`)
    warn(`${where}: ${ignored}`)
  }
  return root
}

/** Says in which line of a text something is. */
class Lines {
  /** Where the lines begin. */
  #starts: number[] | undefined

  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Counts from 1. */
  at(offset: number): number {
    this.#starts ??= [0, ...[...this.#text.matchAll(/\n/g)].map(({ index }) => index + 1)]
    const starts = this.#starts
    let [low, high] = [0, starts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] as number) <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
}

/** One value of a document, which knows where it is. Null counts as absent, as it does in Go. */
export class Field {
  /** Undefined for null. */
  readonly #tree: Tree | undefined
  /** Where the value begins in the text; undefined where there is not even a null. */
  readonly #offset: number | undefined

  readonly #source: Source
  readonly #parent: Field | undefined

  constructor(
    source: Source,
    /** As in `rules[3].level`. */
    readonly path: string,
    tree: Tree | undefined,
    parent: Field | undefined,
  ) {
    this.#source = source
    this.#parent = parent
    this.#tree = tree?.kind === 'scalar' && tree.value === null ? undefined : tree
    this.#offset = tree?.offset
  }

  /** @throws ConfigError that says where this value is, what it is, and what it should be */
  expected(what: string): never {
    this.fail(`found ${this.#describe()}, expected ${what}`)
  }

  /** @throws ConfigError that says where this value is, and the message */
  fail(message: string): never {
    throw new ConfigError(this.#about(message))
  }

  /** Says where this value is, and the message. @throws ConfigError where the document is not read leniently */
  warn(message: string): void {
    if (this.#source.warn === undefined) this.fail(message)
    this.#source.warn(this.#about(message))
  }

  #about(message: string): string {
    const rule = /^rules\[(\d+)\]/.exec(this.path)?.[1]
    const where = `${rule === undefined ? '' : `rule ${Number(rule) + 1}, `}line ${this.#line()}`
    return `${this.#source.file}: ${this.path === '' ? where : `${this.path} (${where})`}: ${message}`
  }

  /** False for null and for a field that the document does not have. */
  get present(): boolean {
    return this.#tree !== undefined
  }

  /** The text of a string, empty where it is absent. */
  string(): string {
    if (this.#tree === undefined) return ''
    if (this.#tree.kind === 'scalar' && typeof this.#tree.value === 'string') return this.#tree.value
    return this.expected('a string')
  }

  boolean(): boolean | undefined {
    if (this.#tree === undefined) return undefined
    if (this.#tree.kind === 'scalar' && typeof this.#tree.value === 'boolean') return this.#tree.value
    return this.expected('true or false')
  }

  integer(): number | undefined {
    if (this.#tree === undefined) return undefined
    if (this.#tree.kind === 'scalar' && Number.isSafeInteger(this.#tree.value))
      return this.#tree.value as number
    return this.expected('a whole number')
  }

  /** The items of a list, none where it is absent. */
  list(): Field[] {
    if (this.#tree === undefined) return []
    if (this.#tree.kind !== 'list') return this.expected('a list')
    return this.#tree.items.map((item, i) => new Field(this.#source, `${this.path}[${i}]`, item, this))
  }

  strings(): string[] {
    return this.list().map((item) => item.string())
  }

  /** The fields of an object, whatever their names are; none where it is absent. */
  entries(): [string, Field][] {
    return [...this.#fields()].map(([name, { value }]) => [name, this.#child(name, value)])
  }

  /**
   * The fields of an object: all of `names`, absent where the document does not have them. Others are refused, or ignored
   * with a warning where the document is read leniently.
   */
  object<Name extends string>(names: readonly Name[]): Record<Name, Field> {
    const found = this.#fields()
    for (const [name, { offset }] of found) {
      if (!(names as readonly string[]).includes(name)) this.#unknown(name, offset, names)
    }
    const fields = names.map((name) => [name, this.#child(name, found.get(name)?.value)])
    return Object.fromEntries(fields) as Record<Name, Field>
  }

  /** The last field of an object that has this name in any case, in the order in which Go's decoders meet them. */
  anyCase(name: string): Field {
    const names = [...this.#fields().keys()].filter((found) => found.toLowerCase() === name.toLowerCase())
    const last = (this.#source.isJSON ? names : names.sort()).at(-1) ?? name
    return this.#child(last, this.#fields().get(last)?.value)
  }

  /** Checks that this is an object or absent, and leaves what is in it to whom it concerns. */
  anyObject(): void {
    this.#fields()
  }

  #fields(): ReadonlyMap<string, FieldTree> {
    if (this.#tree === undefined) return new Map()
    return this.#tree.kind === 'object' ? this.#tree.fields : this.expected('an object')
  }

  #unknown(name: string, offset: number, names: readonly string[]): void {
    const place = new Field(
      this.#source,
      this.path,
      { kind: 'scalar', offset, value: name, source: name },
      this,
    )
    if (this.#source.warn === undefined) {
      place.fail(`found the unknown field ${quote(name)}, expected one of ${names.join(', ')}`)
    }
    const like = nearest(name, names)
    const hint = like === undefined ? `expected one of ${names.join(', ')}` : `did you mean ${like}?`
    place.warn(`the unknown field ${quote(name)} is ignored, as kube-apiserver does; ${hint}`)
  }

  #child(name: string, tree: Tree | undefined): Field {
    return new Field(this.#source, this.path === '' ? name : `${this.path}.${name}`, tree, this)
  }

  #line(): number {
    if (this.#offset === undefined && this.#parent !== undefined) return this.#parent.#line()
    return this.#source.lines.at(this.#offset ?? 0)
  }

  #describe(): string {
    const tree = this.#tree
    if (tree === undefined) return 'nothing'
    if (tree.kind === 'list') return 'a list'
    if (tree.kind === 'object') return 'an object'
    return typeof tree.value === 'string' ? quote(tree.value) : tree.source.slice(0, 80)
  }
}
