import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GoField, type GoPackage, parseGo } from './go-files.js'
import { parseProto, type ProtoField } from './proto-file.js'
import {
  KINDS_WITHOUT_TYPE_META,
  NEWER_THAN_TYPE,
  NO_PROTOBUF,
  SPECIAL,
  WITH_TYPE_META,
  WITH_ZERO,
} from './special.js'

/** Where the API's packages are: a module, and a folder in it. `*` is any one folder. */
const PACKAGE_FOLDERS: readonly (readonly [module: string, pattern: string])[] = [
  ['apimachinery', 'pkg/apis/meta/v1'],
  ['apimachinery', 'pkg/apis/meta/v1beta1'],
  ['apimachinery', 'pkg/runtime'],
  ['apimachinery', 'pkg/util/intstr'],
  ['apimachinery', 'pkg/api/resource'],
  ['api', '*/*'],
  ['metrics', 'pkg/apis/*/*'],
  ['apiextensions-apiserver', 'pkg/apis/*/*'],
  ['kube-aggregator', 'pkg/apis/*/*'],
]

interface TableMessage {
  /** `!` a kind, `=` a wrapper of a list, `~` special; as in the table. */
  readonly mark: string
  /** In the table's notation, by number: in the order that JSON has them in. */
  readonly fields: Map<number, string>
}

export interface TablePackage {
  readonly apiVersion: string
  readonly messages: Map<string, TableMessage>
  /** `type Name = package.Name`. */
  readonly aliases: Map<string, string>
}

/** Packages by their short name. */
export type Table = Map<string, TablePackage>

/**
 * Adds to `table` what one version's modules (see moduleFolders) declare. The wire format comes from the generated.proto
 * files, everything about JSON from the struct tags of the Go types. A message that is there already keeps its fields; it
 * gains those that only this version has. So the newest version comes first.
 */
export function addVersion(table: Table, modules: ReadonlyMap<string, string>): void {
  for (const [module, pattern] of PACKAGE_FOLDERS) {
    const root = modules.get(module) ?? ''
    for (const path of expand(root, pattern).sort()) {
      const proto = join(root, path, 'generated.proto')
      if (existsSync(proto)) addPackage(table, modules, join(root, path), readFileSync(proto, 'utf8'))
    }
  }
}

/** The folders that a pattern with `*` names, relative to root. */
function expand(root: string, pattern: string): string[] {
  let found = ['']
  for (const part of pattern.split('/')) {
    found = found.flatMap((at) => {
      const folder = join(root, at)
      if (part !== '*') return [join(at, part)]
      if (!existsSync(folder)) return []
      const entries = readdirSync(folder, { withFileTypes: true })
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(at, name))
    })
  }
  return found
}

function addPackage(table: Table, modules: ReadonlyMap<string, string>, folder: string, proto: string): void {
  const { pkg, messages } = parseProto(proto)
  const go = parseGo(folder)
  for (const name of go.marshalers) {
    const full = `${pkg}.${name}`
    if (!SPECIAL.has(full) && !NO_PROTOBUF.has(full)) throw new Error(`${full} has a MarshalJSON of its own`)
  }
  const version = pkg.split('.').at(-1) ?? ''
  const apiVersion = go.group === '' ? version : `${go.group}/${version}`
  const entry: TablePackage = table.get(pkg) ?? { apiVersion, messages: new Map(), aliases: new Map() }
  table.set(pkg, entry)
  for (const [name, fields] of messages) {
    const full = `${pkg}.${name}`
    const alias = go.defined.get(name)
    if (SPECIAL.has(full)) {
      entry.messages.set(name, special(fields))
    } else if (alias?.startsWith('[]') === true) {
      entry.messages.set(name, {
        mark: '=',
        fields: new Map([[1, `items:1:[]${fields[0]?.type ?? ''}`]]),
      })
    } else {
      const struct = go.structs.get(name) ?? definedStruct(modules, folder, go, alias)
      if (struct === undefined) throw new Error(`${full}: no Go struct`)
      entry.messages.set(name, merged(full, struct, fields, entry.messages.get(name)))
    }
  }
  for (const [name, target] of go.aliases)
    if (/^v1\.\w+$/.test(target)) entry.aliases.set(name, `meta.${target}`)
}

/** A message with a MarshalJSON shows its fields by their names in the .proto file, in that order. */
function special(fields: readonly ProtoField[]): TableMessage {
  const text = ({ name, number, repeated, type }: ProtoField) =>
    `${name}:${number}:${repeated ? '[]' : ''}${type}`
  return { mark: '~', fields: new Map(fields.map((field, i) => [i, text(field)])) }
}

/** The struct behind `type List metav1.List`, or in a v1alpha1 `type MatchCondition v1.MatchCondition`. */
function definedStruct(
  modules: ReadonlyMap<string, string>,
  folder: string,
  go: GoPackage,
  target: string | undefined,
): GoField[] | undefined {
  const [, pkg, name = ''] = /^(?:(v1|metav1)\.)?(\w+)$/.exec(target ?? '') ?? []
  if (pkg === undefined) return go.structs.get(name)
  const meta = join(modules.get('apimachinery') ?? '', 'pkg/apis/meta/v1')
  return parseGo(pkg === 'metav1' ? meta : join(folder, '../v1')).structs.get(name)
}

function merged(
  full: string,
  struct: readonly GoField[],
  protoFields: readonly ProtoField[],
  known: TableMessage | undefined,
): TableMessage {
  const byNumber = new Map(protoFields.map((field) => [field.number, field]))
  const isKind = struct.some((field) => field.typeMeta) || KINDS_WITHOUT_TYPE_META.has(full)
  const message = known ?? { mark: isKind ? '!' : '', fields: new Map<number, string>() }
  for (const field of struct) {
    const { json, number, typeMeta } = field
    if (json === '-' || typeMeta || Number.isNaN(number) || message.fields.has(number)) continue
    const proto = byNumber.get(number)
    if (proto === undefined) throw new Error(`${full}: field ${number} is in the Go type only`)
    message.fields.set(number, fieldText(full, field, proto, known !== undefined))
  }
  return message
}

/** @param isOld whether newer versions have the message without this field */
function fieldText(full: string, field: GoField, proto: ProtoField, isOld: boolean): string {
  const { json, number, inline, pointer, omitEmpty, omitZero } = field
  const name = `${full}.${json}`
  const shape = proto.map ? 'map:' : proto.repeated ? '[]' : pointer ? '*' : ''
  if (
    omitZero &&
    (shape !== '' || !WITH_ZERO.has(proto.type.includes('.') ? proto.type : packageOf(full, proto.type)))
  )
    throw new Error(`${name}: the printer does not know when it is zero`)
  // A field that the server does not have (any more, or yet) must not appear as null in what it says.
  const optional = omitEmpty || isOld || NEWER_THAN_TYPE.has(name)
  const omit = omitZero ? '??' : optional ? '?' : ''
  // The alias in meta.v1beta1 has the apiVersion that JSON shows.
  const type = WITH_TYPE_META.has(name) ? `${proto.type.replace(/^meta\.v1\./, '')}!` : proto.type
  return `${inline ? '.' : json}:${number}:${shape}${type}${omit}`
}

/** The full name of a message of the same package as the message `full`. */
function packageOf(full: string, type: string): string {
  return full.replace(/\w+$/, type)
}
