import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml'
import { resolveScalar } from './go-scalar.js'
import {
  duplicate,
  type FieldTree,
  type Parsed,
  quote,
  type Tree,
  TreeError,
  type TreeProblem,
} from './tree.js'
import { checkSyntax, type YAMLText } from './yaml-text.js'

const MERGE_TAG = 'tag:yaml.org,2002:merge'

/**
 * Reads the first document of a YAML text as go.yaml.in/yaml/v2 reads it into a map. What stands behind that document is
 * a problem, unless it is empty; it may even be no YAML.
 *
 * @throws TreeError
 */
export function convertYAML({ text, documents }: YAMLText): Parsed {
  const [document, second] = documents
  const problems: TreeProblem[] = []
  if (document === undefined) return { root: nothing, problems }
  checkSyntax(text, document)
  if (second !== undefined && (second.errors.length > 0 || !isEmpty(second.contents))) {
    const offset = second.contents?.range?.[0] ?? second.errors[0]?.pos[0] ?? 0
    problems.push({
      offset,
      message: 'found a second document, expected only one',
      ignored: 'the second document is ignored, as kube-apiserver does',
    })
  }
  return { root: new Converter(document, problems).convert(), problems }
}

const nothing: Tree = { kind: 'scalar', offset: 0, value: null, source: '' }

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === '' && node.type === 'PLAIN')
}

/** go-yaml's decoder: decode.go. */
class Converter {
  readonly #targets: ReadonlyMap<Alias, Node>
  /** Aliases that are being resolved. */
  readonly #open = new Set<Alias>()
  #count = 1
  #aliasCount = 0

  readonly #document: Document
  readonly #problems: TreeProblem[]

  constructor(document: Document, problems: TreeProblem[]) {
    this.#document = document
    this.#problems = problems
    this.#targets = resolveAliases(document)
  }

  convert(): Tree {
    return this.#node(this.#document.contents, 0)
  }

  #node(node: unknown, parentOffset: number): Tree {
    this.#counted(node)
    const offset = (isNode(node) ? node.range?.[0] : undefined) ?? parentOffset
    if (isAlias(node)) return this.#alias(node, (target) => this.#node(target, offset))
    if (isMap(node)) return { kind: 'object', offset, fields: this.#fields(node, offset) }
    if (isSeq(node)) {
      return { kind: 'list', offset, items: node.items.map((item) => this.#node(item, offset)) }
    }
    if (!isScalar(node)) return { ...nothing, offset }
    const value = this.#scalar(node, offset)
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new TreeError(`found ${quote(sourceOf(node))}, which JSON does not have`, offset)
    }
    return { kind: 'scalar', offset, value, source: sourceOf(node) }
  }

  #scalar(node: Scalar, offset: number): string | number | boolean | null {
    const plain = node.type === undefined || node.type === 'PLAIN'
    const value = resolveScalar(sourceOf(node), node.tag, plain)
    if (value === undefined) {
      throw new TreeError(`found ${quote(sourceOf(node))}, which is not what its tag says`, offset)
    }
    return value
  }

  #fields(map: YAMLMap, offset: number, fields = new Map<string, FieldTree>()): Map<string, FieldTree> {
    for (const { key, value } of map.items) {
      const place = (isNode(key) ? key.range?.[0] : undefined) ?? offset
      if (isMergeKey(key)) {
        this.#merge(value, place, fields)
        continue
      }
      const name = this.#key(key, place)
      const field = { offset: place, value: this.#node(value, place) }
      if (fields.has(name)) this.#problems.push(duplicate(name, place))
      fields.set(name, field)
    }
    return fields
  }

  /** Fields that are merged replace those before them, and are replaced by those after them: as in go-yaml, not in YAML. */
  #merge(node: unknown, place: number, fields: Map<string, FieldTree>): void {
    const mappings = isSeq(node) ? [...node.items].reverse() : [node]
    for (const mapping of mappings) {
      this.#counted(mapping)
      const merge = (target: unknown): void => {
        if (!isMap(target)) throw new TreeError('found a merge of something else than an object', place)
        this.#fields(target, place, fields)
      }
      if (!isAlias(mapping)) merge(mapping)
      else {
        this.#alias(mapping, (target) => {
          this.#counted(target)
          merge(target)
        })
      }
    }
  }

  #key(key: unknown, offset: number): string {
    const tree = isScalar(key) ? undefined : this.#node(key, offset)
    if (tree === undefined) this.#counted(key)
    const value =
      tree === undefined ? this.#scalar(key as Scalar, offset) : tree.kind === 'scalar' ? tree.value : null
    if (value === null) throw new TreeError('found a name that is no text', offset)
    return String(value)
  }

  #alias<T>(alias: Alias, convert: (target: Node) => T): T {
    const target = this.#targets.get(alias)
    const offset = alias.range?.[0]
    if (target === undefined) throw new TreeError(`found the unknown alias ${quote(alias.source)}`, offset)
    if (this.#open.has(alias)) {
      throw new TreeError(`found the alias ${quote(alias.source)} inside of what it stands for`, offset)
    }
    this.#open.add(alias)
    const converted = convert(target)
    this.#open.delete(alias)
    return converted
  }

  /** Bounds what aliases may yield: go-yaml's allowedAliasRatio. */
  #counted(node: unknown): void {
    this.#count++
    if (this.#open.size > 0) this.#aliasCount++
    if (this.#aliasCount <= 100 || this.#count <= 1000) return
    if (this.#aliasCount / this.#count > allowedAliasRatio(this.#count)) {
      throw new TreeError('has too many aliases', isNode(node) ? node.range?.[0] : undefined)
    }
  }
}

const ALIAS_RATIO_RANGE_LOW = 400_000
const ALIAS_RATIO_RANGE_HIGH = 4_000_000

function allowedAliasRatio(count: number): number {
  if (count <= ALIAS_RATIO_RANGE_LOW) return 0.99
  if (count >= ALIAS_RATIO_RANGE_HIGH) return 0.1
  return 0.99 - (0.89 * (count - ALIAS_RATIO_RANGE_LOW)) / (ALIAS_RATIO_RANGE_HIGH - ALIAS_RATIO_RANGE_LOW)
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

function isMergeKey(key: unknown): boolean {
  if (!isScalar(key) || sourceOf(key) !== '<<') return false
  return key.tag === MERGE_TAG || (key.tag === undefined && key.type === 'PLAIN')
}

function sourceOf(node: Scalar): string {
  return typeof node.value === 'string' ? node.value : (node.source ?? '')
}
