import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A field of a Go struct, as far as its tags say how it is encoded. */
export interface GoField {
  readonly typeMeta: boolean
  /** The protobuf field number; NaN where there is none. */
  readonly number: number
  /** The name in JSON. */
  readonly json: string
  readonly inline: boolean
  readonly pointer: boolean
  readonly omitEmpty: boolean
  readonly omitZero: boolean
}

/** What the Go files of one package declare. */
export interface GoPackage {
  readonly structs: Map<string, GoField[]>
  /** `type Name target`. */
  readonly defined: Map<string, string>
  /** `type Name = target`. */
  readonly aliases: Map<string, string>
  /** Types with a MarshalJSON of their own. */
  readonly marshalers: string[]
  /** The API group, such as apps; empty for the core's. */
  group: string
}

/** Reads the Go files in `folder`, but for generated ones and tests. */
export function parseGo(folder: string): GoPackage {
  const found: GoPackage = {
    structs: new Map(),
    defined: new Map(),
    aliases: new Map(),
    marshalers: [],
    group: '',
  }
  for (const file of readdirSync(folder)) {
    if (!file.endsWith('.go') || file.endsWith('_test.go') || file.startsWith('generated.')) continue
    const text = readFileSync(join(folder, file), 'utf8')
    // Of the two forms of one type, the one that is built by default.
    if (/^\/\/go:build (?!!)/m.test(text)) continue
    parseGoFile(text, found)
  }
  return found
}

function parseGoFile(text: string, found: GoPackage): void {
  found.group = /GroupName\s*=\s*"([^"]*)"/.exec(text)?.[1] ?? found.group
  let fields: GoField[] | undefined
  for (const line of text.split('\n')) {
    const [, struct, empty] = /^type (\w+) struct ?\{(\})?$/.exec(line) ?? []
    if (struct !== undefined) {
      const declared: GoField[] = []
      found.structs.set(struct, declared)
      fields = empty === undefined ? declared : undefined
      continue
    }
    if (line === '}') fields = undefined
    const [, name = '', isAlias, target] = /^type (\w+) (=)?\s*([^ {]+)$/.exec(line) ?? []
    if (target !== undefined) (isAlias === '=' ? found.aliases : found.defined).set(name, target)
    const marshaler = /^func \((?:\w+ )?\*?(\w+)\) MarshalJSON\(/.exec(line)?.[1]
    if (marshaler !== undefined) found.marshalers.push(marshaler)
    const [, field, type, tags] = /^\t(?:(\w+)\s+)?([^\s`/][^`/]*?)\s*`([^`]*)`/.exec(line) ?? []
    if (type !== undefined && tags !== undefined) fields?.push(goField(field, type, tags))
  }
}

function goField(name: string | undefined, type: string, tags: string): GoField {
  const [json = '', ...options] = (/json:"([^"]*)"/.exec(tags)?.[1] ?? '').split(',')
  const protobuf = /protobuf:"([^"]*)"/.exec(tags)?.[1]
  return {
    typeMeta: name === undefined && /(^|\.)TypeMeta$/.test(type),
    number: Number(/,(\d+)/.exec(protobuf ?? '')?.[1]),
    json: json === '' ? (name ?? '') : json,
    inline: options.includes('inline') || (name === undefined && json === ''),
    pointer: type.startsWith('*'),
    omitEmpty: options.includes('omitempty'),
    omitZero: options.includes('omitzero'),
  }
}
