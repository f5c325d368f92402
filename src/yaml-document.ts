import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml'
import { ConfigError, errorMessage } from './errors.js'

/** How many values a document may have once its aliases are resolved: far above any policy, far below a bomb's yield. */
const MAX_VALUES = 200_000

/** A date is text to Kubernetes. */
const TIMESTAMP = 'tag:yaml.org,2002:timestamp'

/** What all fields of one document share. */
interface Source {
  readonly file: string
  readonly lines: LineCounter
  /** What each alias stands for. (yaml's Alias.resolve searches the whole document every time.) */
  readonly targets: ReadonlyMap<Alias, Node>
  /** How many more values may be read. */
  budget: number
}

/**
 * Reads a file with one YAML (or JSON) document, as YAML 1.1, which is what Kubernetes reads.
 *
 * @param file for messages
 * @throws ConfigError for bad syntax, a key that repeats, no document or several
 */
export function parseDocument(text: string, file: string): Field {
  const lines = new LineCounter()
  const documents = parseYAML(text, file, lines)
  for (const document of documents) {
    const problem = document.errors[0] ?? document.warnings[0]
    if (problem !== undefined) {
      throw new ConfigError(
        `${file}: line ${lines.linePos(problem.pos[0]).line}: ${oneLine(problem.message)}`,
      )
    }
  }
  const [document, second] = documents.filter(({ contents }) => !isEmpty(contents))
  if (document === undefined)
    throw new ConfigError(`${file}: found nothing, expected a YAML or JSON document`)
  if (second !== undefined) {
    const { line } = lines.linePos(second.contents?.range?.[0] ?? 0)
    throw new ConfigError(`${file}: line ${line}: found a second document, expected only one`)
  }
  const source = { file, lines, targets: resolveAliases(document), budget: MAX_VALUES }
  return new Field(source, '', document.contents, undefined)
}

function parseYAML(text: string, file: string, lineCounter: LineCounter): Document[] {
  try {
    const documents = parseAllDocuments(text, {
      version: '1.1',
      merge: true,
      uniqueKeys: false, // checked below, in linear time
      customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || tag.tag !== TIMESTAMP),
      lineCounter,
      prettyErrors: false,
      logLevel: 'silent',
    })
    return [...documents] as Document[]
  } catch (err) {
    // The parser recurses, so absurd nesting ends here.
    throw new ConfigError(`${file}: cannot be read as YAML: ${oneLine(errorMessage(err))}`)
  }
}

/** An alias stands for the last node before it that has its anchor. */
function resolveAliases(document: Document): Map<Alias, Node> {
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node>()
  visit(document, {
    Alias: (_key, alias) => {
      const target = anchors.get(alias.source)
      if (target !== undefined) targets.set(alias, target)
    },
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node)
    },
  })
  return targets
}

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null)
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, ' ').slice(0, 300)
}

/** One value of a document, which knows where it is. Null counts as absent, as it does in Go. */
export class Field {
  /** Undefined for null. */
  readonly #node: Node | undefined
  /** Where the value begins in the text; undefined where there is not even a null. */
  readonly #offset: number | undefined

  readonly #source: Source
  readonly #parent: Field | undefined

  constructor(
    source: Source,
    /** As in `rules[3].level`. */
    readonly path: string,
    node: unknown,
    parent: Field | undefined,
  ) {
    this.#source = source
    this.#parent = parent
    if (node !== undefined && --source.budget < 0) {
      throw new ConfigError(
        `${source.file}: has more than ${MAX_VALUES} values once its aliases are resolved`,
      )
    }
    const target = isAlias(node) ? source.targets.get(node) : node
    this.#node = isEmpty(target) ? undefined : (target as Node)
    this.#offset = isNode(target) ? target.range?.[0] : isNode(node) ? node.range?.[0] : undefined
    if (isAlias(node) && target === undefined) this.fail(`found the unknown alias ${quote(node.source)}`)
  }

  /** @throws ConfigError that says where this value is, what it is, and what it should be */
  expected(what: string): never {
    this.fail(`found ${this.#describe()}, expected ${what}`)
  }

  /** @throws ConfigError that says where this value is, and the message */
  fail(message: string): never {
    const rule = /^rules\[(\d+)\]/.exec(this.path)?.[1]
    const where = `${rule === undefined ? '' : `rule ${Number(rule) + 1}, `}line ${this.#line()}`
    throw new ConfigError(
      `${this.#source.file}: ${this.path === '' ? where : `${this.path} (${where})`}: ${message}`,
    )
  }

  /** False for null and for a field that the document does not have. */
  get present(): boolean {
    return this.#node !== undefined
  }

  /** The text of a string, empty where it is absent. */
  string(): string {
    if (this.#node === undefined) return ''
    if (isScalar(this.#node) && typeof this.#node.value === 'string') return this.#node.value
    return this.expected('a string')
  }

  boolean(): boolean | undefined {
    if (this.#node === undefined) return undefined
    if (isScalar(this.#node) && typeof this.#node.value === 'boolean') return this.#node.value
    return this.expected('true or false')
  }

  integer(): number | undefined {
    if (this.#node === undefined) return undefined
    if (isScalar(this.#node) && Number.isSafeInteger(this.#node.value)) return this.#node.value as number
    return this.expected('a whole number')
  }

  /** The items of a list, none where it is absent. */
  list(): Field[] {
    if (this.#node === undefined) return []
    if (!isSeq(this.#node)) return this.expected('a list')
    return this.#node.items.map((item, i) => new Field(this.#source, `${this.path}[${i}]`, item, this))
  }

  strings(): string[] {
    return this.list().map((item) => item.string())
  }

  /** The fields of an object: all of `names`, absent where the document does not have them. Others are refused. */
  object<Name extends string>(names: readonly Name[]): Record<Name, Field> {
    const found = new Map<string, Field>()
    if (this.#node !== undefined) this.#collect(this.#node, names, found)
    const fields = names.map((name) => [name, found.get(name) ?? this.#child(name, undefined)])
    return Object.fromEntries(fields) as Record<Name, Field>
  }

  /** Checks that this is an object or absent, and leaves what is in it to whom it concerns. */
  anyObject(): void {
    if (this.#node !== undefined && !isMap(this.#node)) this.expected('an object')
  }

  /** Takes the fields of a mapping, then those that it merges (`<<: *base`), which do not replace its own. */
  #collect(node: Node, names: readonly string[], found: Map<string, Field>): void {
    if (!isMap(node)) return this.expected('an object')
    const merged: Field[] = []
    const own = new Set<string>()
    for (const { key, value } of node.items) {
      const name = isMergeKey(key) ? '<<' : isScalar(key) ? String(key.value) : ''
      const field = this.#child(name, value)
      if (isMergeKey(key)) {
        merged.push(...(isSeq(value) ? field.list() : [field]))
        continue
      }
      const place = new Field(this.#source, this.path, key, this)
      if (!names.includes(name)) {
        place.fail(`found the unknown field ${quote(name)}, expected one of ${names.join(', ')}`)
      }
      if (own.has(name)) place.fail(`found the field ${quote(name)} a second time, expected it once`)
      own.add(name)
      if (!found.has(name)) found.set(name, field)
    }
    for (const field of merged) {
      // Merges inside merges are refused, so that this cannot run away.
      if (!isMap(field.#node) || field.#node.items.some(({ key }) => isMergeKey(key))) {
        return field.expected('an object that merges no other')
      }
      this.#collect(field.#node, names, found)
    }
  }

  #child(name: string, node: unknown): Field {
    return new Field(this.#source, this.path === '' ? name : `${this.path}.${name}`, node, this)
  }

  #line(): number {
    if (this.#offset === undefined && this.#parent !== undefined) return this.#parent.#line()
    return this.#source.lines.linePos(this.#offset ?? 0).line
  }

  #describe(): string {
    const node = this.#node
    if (node === undefined) return 'nothing'
    if (isSeq(node)) return 'a list'
    if (!isScalar(node)) return 'an object'
    return typeof node.value === 'string' ? quote(node.value) : oneLine(node.source ?? String(node.value))
  }
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.source === '<<' && key.type === 'PLAIN'
}

/** Text from the file as it may stand in a message: on one line, and not endless. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
