import { isAlias, isMap, isScalar, isSeq, Scalar } from 'yaml'
import type { Alias, Node, YAMLMap } from 'yaml'
import { JSONMap, type JSONKey, type JSONText, printKey, printValue, UNSPEAKABLE } from './yaml-print.js'
import { countSeparators, resolveWithSeparators } from './yaml-separators.js'
import { type Resolved, resolveScalar } from './yaml-scalars.js'

/** Thrown to give up: the text is not what go-yaml accepts and JSON can say, or goes beyond a limit. */
export class Refusal extends Error {}

/** How deep collections may nest. The composer calls itself a few times for each. */
export const MAX_DEPTH = 200

/** The header of a block scalar that says how deep it is indented. */
const INDENTED = /^[|>][-+]?[1-9]/
const ANCHOR = /^[0-9A-Za-z_-]+$/
const MERGE_TAG = 'tag:yaml.org,2002:merge'

export interface ConverterOptions {
  readonly document: string
  /** The document as the parser saw it: with U+2028 and U+2029 as they are, or as ordinary line breaks in their places. */
  readonly parsed: string
  /** Of the JSON text. */
  readonly maxBytes: number
}

/** Turns the nodes of one document into JSON text, as go-yaml's decoder and sigs.k8s.io/yaml do together. */
export class Converter {
  readonly #root: YAMLMap.Parsed
  /** With U+2028 and U+2029 where they stand. */
  readonly #text: string
  /** How many of these there are, and how many have been found within scalars. */
  readonly #separators: number
  #separatorsFound = 0
  readonly #separated = new Set<Scalar>()
  readonly #separatorsAreBreaks: boolean
  readonly #maxBytes: number
  readonly #targets = new Map<Alias, Node>()
  readonly #open = new Set<Alias>()
  #bytes = 0
  #depth = 0
  // go-yaml counts the document too.
  #decodeCount = 1
  #aliasCount = 0

  constructor(root: YAMLMap.Parsed, { document, parsed, maxBytes }: ConverterOptions) {
    this.#root = root
    this.#text = document
    this.#separators = countSeparators(document)
    this.#separatorsAreBreaks = document !== parsed
    this.#maxBytes = maxBytes
  }

  /** The JSON text, or a Refusal that is thrown. */
  convert(): string {
    this.#bind(this.#root, new Map())
    const json = this.#value(this.#root)
    if (json === UNSPEAKABLE) throw new Refusal()
    // One that is outside of quotes is a line break, and the parser did not see it.
    if (!this.#separatorsAreBreaks && this.#separatorsFound < this.#separators) throw new Refusal()
    return json
  }

  /** Finds what each alias stands for: the last node before it, in the text's order, that has the anchor. */
  #bind(node: unknown, anchors: Map<string, Node>): void {
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target === undefined) throw new Refusal()
      this.#targets.set(node, target)
      return
    }
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined) {
      // YAML 1.2 lets more into the name, which go-yaml reads as the value.
      if (!ANCHOR.test(node.anchor)) throw new Refusal()
      anchors.set(node.anchor, node)
    }
    if (isSeq(node)) {
      for (const item of node.items) this.#bind(item, anchors)
    } else if (isMap(node)) {
      for (const { key, value } of node.items) {
        this.#bind(key, anchors)
        this.#bind(value, anchors)
      }
    }
  }

  #value(node: unknown): JSONText {
    this.#count()
    if (isAlias(node)) return this.#follow(node, (target) => this.#value(target))
    if (isMap(node)) {
      const map = new JSONMap()
      this.#nested(() => this.#fill(node.items, map))
      return map.print()
    }
    if (isSeq(node)) return this.#nested(() => this.#sequence(node.items))
    return this.#spend(printValue(this.#resolve(node)))
  }

  #sequence(items: readonly unknown[]): JSONText {
    let out = '['
    let speakable = true
    for (const item of items) {
      const json = this.#value(item)
      if (json === UNSPEAKABLE) speakable = false
      else out += out.length > 1 ? ',' + json : json
    }
    return speakable ? out + ']' : UNSPEAKABLE
  }

  /** Adds the pairs of a mapping. As in go-yaml, a merge key replaces what stands before it. */
  #fill(pairs: readonly { key: unknown; value: unknown }[], map: JSONMap): void {
    for (const { key, value } of pairs) {
      if (isMergeKey(key)) {
        this.#merge(value, map)
        continue
      }
      const name = this.#key(key)
      map.set(name, this.#value(value))
    }
  }

  #key(node: unknown): JSONKey {
    this.#count()
    if (isAlias(node)) return this.#follow(node, (target) => this.#key(target))
    if (isMap(node) || isSeq(node)) throw new Refusal()
    return this.#spend(printKey(this.#resolve(node)))
  }

  #merge(node: unknown, map: JSONMap): void {
    // Of several, the first has the last word.
    const sources: readonly unknown[] = isSeq(node) ? node.items.toReversed() : [node]
    for (const source of sources) this.#mergeOne(source, map)
  }

  #mergeOne(source: unknown, map: JSONMap): void {
    this.#count()
    if (isAlias(source)) {
      this.#follow(source, (target) => {
        if (!isMap(target)) throw new Refusal()
        this.#mergeOne(target, map)
      })
    } else if (isMap(source)) {
      this.#nested(() => this.#fill(source.items, map))
    } else {
      throw new Refusal()
    }
  }

  /** A scalar, or nothing at all where a value could stand. */
  #resolve(node: unknown): Resolved {
    if (!isScalar(node)) return { kind: 'null' }
    const text = this.#scalarText(node)
    if (node.tag === undefined && node.type !== Scalar.PLAIN) return { kind: 'string', value: text }
    const resolved = resolveScalar(text, node.tag)
    if (resolved === undefined) throw new Refusal()
    return resolved
  }

  /** The parser treats the end of a block scalar unlike go-yaml in two cases, of which one can be made good. */
  #scalarText(node: Scalar): string {
    const text = this.#withSeparators(node) ?? (node.value as string)
    // It came of an escape, which go-yaml refuses.
    if (node.type === Scalar.QUOTE_DOUBLE && /\p{Surrogate}/u.test(text)) throw new Refusal()
    if (node.type !== Scalar.BLOCK_LITERAL && node.type !== Scalar.BLOCK_FOLDED) return text
    const [start, end] = node.range as [number, number, number]
    const source = this.#text.slice(start, end)
    const unbroken = end >= this.#text.length && !source.endsWith('\n')
    if ((unbroken || INDENTED.test(source)) && this.#blankLinesAfter(start + source.trimEnd().length)) {
      throw new Refusal()
    }
    // The line break that a block scalar lacks at the end of the text is added by the parser.
    return unbroken && text.endsWith('\n') ? text.slice(0, -1) : text
  }

  /** The text of a scalar that has U+2028 or U+2029 in it. */
  #withSeparators(node: Scalar): string | undefined {
    if (this.#separators === 0) return undefined
    const [start, end] = node.range as [number, number, number]
    const source = this.#text.slice(start, end)
    const separators = countSeparators(source)
    if (separators === 0) return undefined
    const quoted = node.type === Scalar.QUOTE_SINGLE || node.type === Scalar.QUOTE_DOUBLE
    const text = quoted || this.#separatorsAreBreaks ? resolveWithSeparators(source, node.type) : undefined
    if (text === undefined) throw new Refusal()
    if (!this.#separated.has(node)) {
      this.#separated.add(node)
      this.#separatorsFound += separators
    }
    return text
  }

  /** Whether lines of nothing but spaces follow, of at least one space. */
  #blankLinesAfter(contentEnd: number): boolean {
    let blankEnd = contentEnd
    while (' \t\n'.includes(this.#text.charAt(blankEnd)) && blankEnd < this.#text.length) blankEnd++
    const blanks = this.#text.slice(contentEnd, blankEnd)
    const atEnd = blankEnd === this.#text.length
    return /[ \t]/.test(
      blanks.slice(blanks.indexOf('\n') + 1, atEnd ? undefined : blanks.lastIndexOf('\n') + 1),
    )
  }

  #follow<T>(alias: Alias, read: (target: Node) => T): T {
    if (this.#open.has(alias)) throw new Refusal()
    this.#open.add(alias)
    const result = this.#nested(() => read(this.#targets.get(alias) as Node))
    this.#open.delete(alias)
    return result
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new Refusal()
    const result = read()
    this.#depth--
    return result
  }

  /** go-yaml's defence against a few aliases that stand for millions of nodes (decode.go unmarshal). */
  #count(): void {
    this.#decodeCount++
    if (this.#open.size > 0) this.#aliasCount++
    if (this.#aliasCount <= 100 || this.#decodeCount <= 1000) return
    if (this.#aliasCount / this.#decodeCount > allowedAliasRatio(this.#decodeCount)) throw new Refusal()
  }

  #spend<T extends JSONText | JSONKey>(text: T): T {
    // The comma or colon after it counts too.
    this.#bytes += typeof text === 'string' ? text.length + 1 : 1
    if (this.#bytes > this.#maxBytes) throw new Refusal()
    return text
  }
}

const ALIAS_RATIO_RANGE_LOW = 400_000
const ALIAS_RATIO_RANGE_HIGH = 4_000_000

function allowedAliasRatio(decodeCount: number): number {
  const position = (decodeCount - ALIAS_RATIO_RANGE_LOW) / (ALIAS_RATIO_RANGE_HIGH - ALIAS_RATIO_RANGE_LOW)
  return 0.99 - 0.89 * Math.min(Math.max(position, 0), 1)
}

function isMergeKey(key: unknown): boolean {
  if (!isScalar(key) || key.value !== '<<') return false
  return key.tag === undefined ? key.type === Scalar.PLAIN : key.tag === '!' || key.tag === MERGE_TAG
}
