#!/usr/bin/env node
// Writes table.ts: for each protobuf message of the Kubernetes API how its fields look in JSON.
//
//   node generate.mjs 'LABEL=ROOT'... > table.ts
//
// ROOT is a folder that holds k8s.io/api, k8s.io/apimachinery and so on, as a GOPATH's src or kubernetes/staging/src does;
// LABEL is what the header of table.ts calls it. Of a message that several roots have, the first root's fields win and
// the others add those that it no longer has. So name the newest first. table.ts was made from the Debian packages that
// its header names, unpacked with `dpkg-deb -x`, and from the kubernetes 1.20 source.
//
// The wire format comes from the generated.proto files, everything about JSON from the struct tags of the Go types.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where the API's packages are, relative to k8s.io/. */
const PACKAGE_FOLDERS = [
  ...['apimachinery/pkg/apis/meta/v1', 'apimachinery/pkg/apis/meta/v1beta1'],
  ...['apimachinery/pkg/runtime', 'apimachinery/pkg/util/intstr', 'apimachinery/pkg/api/resource'],
  ...['api/*/*', 'metrics/pkg/apis/*/*'],
  ...['apiextensions-apiserver/pkg/apis/*/*', 'kube-aggregator/pkg/apis/*/*'],
]

/** Go types with a MarshalJSON of their own; convert.ts has a printer for each. */
const SPECIAL = new Set([
  ...['meta.v1.Time', 'meta.v1.MicroTime', 'meta.v1.Duration', 'meta.v1.FieldsV1'],
  ...['runtime.RawExtension', 'runtime.Unknown', 'intstr.IntOrString', 'resource.Quantity'],
  ...['v1', 'v1beta1'].flatMap((version) =>
    ['JSON', 'JSONSchemaPropsOrArray', 'JSONSchemaPropsOrBool', 'JSONSchemaPropsOrStringArray'].map(
      (name) => `apiextensions.${version}.${name}`,
    ),
  ),
])

/** Go types that have no protobuf form, though they have a MarshalJSON. */
const NO_PROTOBUF = new Set(['meta.v1.GroupVersion', 'runtime.encodable'])

/** Kinds without a TypeMeta. */
const KINDS_WITHOUT_TYPE_META = new Set(['meta.v1.WatchEvent'])

/**
 * Fields whose messages JSON shows with kind and apiVersion, though protobuf has none: kube-apiserver sets them anew, in
 * pkg/apis/apps/v1/conversion.go and in k8s.io/apiserver/pkg/endpoints/handlers/response.go asPartialObjectMetadataList.
 */
const WITH_TYPE_META = new Set([
  ...['v1', 'v1beta1', 'v1beta2'].map((version) => `apps.${version}.StatefulSetSpec.volumeClaimTemplates`),
  ...['meta.v1.PartialObjectMetadataList.items', 'meta.v1beta1.PartialObjectMetadataList.items'],
])

/** Fields that came later than what their messages replaced, and are no omitempty: in 1.20 these were TypedLocalObjectReferences. */
const NEWER_THAN_TYPE = new Set(
  ['v1', 'v1beta1'].map((version) => `networking.${version}.IngressClassParametersReference.scope`),
)

/**
 * In the table's own notation: what all lists have in common; what CustomResourceDefinition gained between the newest
 * source of it that is to be had as a package and Kubernetes 1.32.
 */
const ADDED = {
  'meta.v1': { AnyList: 'metadata:1:ListMeta? items:2:[]PartialObjectMetadata' },
  'apiextensions.v1': {
    JSONSchemaProps: 'x-kubernetes-validations:44:[]ValidationRule?',
    CustomResourceDefinitionVersion: 'selectableFields:9:[]SelectableField?',
    SelectableField: 'jsonPath:1:string',
    ValidationRule:
      'rule:1:string message:2:string? messageExpression:3:string? reason:4:*string? fieldPath:5:string? optionalOldSelf:6:*bool?',
  },
}

const SCALARS = new Set(['string', 'bool', 'int32', 'int64', 'double', 'bytes'])

/** k8s.io.api.core.v1 is core.v1, k8s.io.apimachinery.pkg.apis.meta.v1 is meta.v1. */
const shortPackage = (name) =>
  name.replace(/^k8s\.io\.(api|[a-z_]+\.pkg\.(apis|util|api)|[a-z_]+\.pkg)\./, '')

/** { shortPackage, messages: Map(name → [{ number, name, repeated, map, type }]) } */
function parseProto(text) {
  const pkg = /^package (.+);$/m.exec(text)[1]
  const messages = new Map()
  let fields
  for (const line of text.split('\n')) {
    const message = /^message (\w+) \{/.exec(line)
    if (message) {
      messages.set(message[1], (fields = []))
      continue
    }
    const field =
      /^ {2}(?:(optional|repeated|required) |map<string, ([\w.]+)> )([\w.]+)(?: (\w+))? = (\d+)/.exec(line)
    if (!field) continue
    const map = field[2] !== undefined
    const type = map ? field[2] : field[3]
    fields.push({
      number: Number(field[5]),
      name: field[4],
      repeated: field[1] === 'repeated',
      map,
      type: localName(type, pkg),
    })
  }
  return { pkg: shortPackage(pkg), messages }
}

/** A scalar, a message of the same package by its bare name, or package.Name. */
function localName(type, pkg) {
  if (SCALARS.has(type)) return type
  const bare = type.startsWith('.') ? type.slice(1) : type
  if (!bare.includes('.')) return bare
  const at = bare.lastIndexOf('.')
  const name = bare.slice(at + 1)
  return bare.slice(0, at) === pkg ? name : `${shortPackage(bare.slice(0, at))}.${name}`
}

/** { structs: Map(name → [field]), defined: Map(name → Go type), aliases: Map(name → Go type), marshalers: [name], group } */
function parseGo(folder) {
  const found = { structs: new Map(), defined: new Map(), aliases: new Map(), marshalers: [], group: '' }
  for (const file of readdirSync(folder)) {
    if (!file.endsWith('.go') || file.endsWith('_test.go') || file.startsWith('generated.')) continue
    parseGoFile(readFileSync(join(folder, file), 'utf8'), found)
  }
  return found
}

function parseGoFile(text, found) {
  const group = /GroupName\s*=\s*"([^"]*)"/.exec(text)
  if (group) found.group = group[1]
  let fields
  for (const line of text.split('\n')) {
    const struct = /^type (\w+) struct ?\{(\})?$/.exec(line)
    if (struct) {
      found.structs.set(struct[1], (fields = []))
      if (struct[2]) fields = undefined
      continue
    }
    if (line === '}') fields = undefined
    const defined = /^type (\w+) (=)?\s*([^ {]+)$/.exec(line)
    if (defined) (defined[2] ? found.aliases : found.defined).set(defined[1], defined[3])
    const marshaler = /^func \((?:\w+ )?\*?(\w+)\) MarshalJSON\(/.exec(line)
    if (marshaler) found.marshalers.push(marshaler[1])
    const field = fields && /^\t(?:(\w+)\s+)?([^\s`/][^`/]*?)\s*`([^`]*)`/.exec(line)
    if (field) fields.push(goField(field))
  }
}

function goField([, name, type, tags]) {
  const [json, ...options] = (/json:"([^"]*)"/.exec(tags)?.[1] ?? '').split(',')
  if (options.includes('omitzero')) throw new Error(`${json}: convert.ts knows no omitzero`)
  const protobuf = /protobuf:"([^"]*)"/.exec(tags)?.[1]
  return {
    typeMeta: name === undefined && /(^|\.)TypeMeta$/.test(type),
    number: Number(/,(\d+)/.exec(protobuf ?? '')?.[1]),
    json: json === '' ? name : json,
    inline: options.includes('inline') || (name === undefined && json === ''),
    pointer: type.startsWith('*'),
    omit: options.includes('omitempty') ? '?' : '',
  }
}

/** The folders that a pattern with `*` names, relative to root. */
function expand(root, pattern) {
  let found = ['']
  for (const part of pattern.split('/')) {
    found = found.flatMap((at) => {
      if (part !== '*') return [join(at, part)]
      const folder = join(root, at)
      if (!existsSync(folder)) return []
      const entries = readdirSync(folder, { withFileTypes: true })
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(at, name))
    })
  }
  return found
}

/** pkg → { apiVersion, messages: Map(name → { mark, fields: Map(number → text) }), aliases } */
function readRoot(root, table) {
  for (const path of PACKAGE_FOLDERS.flatMap((pattern) => expand(root, pattern)).sort()) {
    const proto = join(root, path, 'generated.proto')
    if (!existsSync(proto)) continue
    const { pkg, messages } = parseProto(readFileSync(proto, 'utf8'))
    const go = parseGo(join(root, path))
    for (const name of go.marshalers) {
      const full = `${pkg}.${name}`
      if (!SPECIAL.has(full) && !NO_PROTOBUF.has(full))
        throw new Error(`${full} has a MarshalJSON of its own`)
    }
    const version = pkg.split('.').at(-1)
    const apiVersion = go.group === '' ? version : `${go.group}/${version}`
    const entry = table.get(pkg) ?? { apiVersion, messages: new Map(), aliases: new Map() }
    table.set(pkg, entry)
    for (const [name, fields] of messages) addMessage(root, path, pkg, go, entry, name, fields)
    for (const [name, target] of go.aliases)
      if (/^v1\.\w+$/.test(target)) entry.aliases.set(name, `meta.${target}`)
  }
}

function addMessage(root, path, pkg, go, entry, name, protoFields) {
  const full = `${pkg}.${name}`
  if (SPECIAL.has(full)) {
    const fields = protoFields.map(
      ({ name, number, repeated, type }) => `${name}:${number}:${repeated ? '[]' : ''}${type}`,
    )
    entry.messages.set(name, { mark: '~', fields: new Map(fields.map((field, i) => [i, field])) })
    return
  }
  const alias = go.defined.get(name)
  if (alias?.startsWith('[]')) {
    entry.messages.set(name, { mark: '=', fields: new Map([[1, `items:1:[]${protoFields[0].type}`]]) })
    return
  }
  const struct = go.structs.get(name) ?? definedStruct(root, path, alias)
  if (struct === undefined) {
    process.stderr.write(`${full}: no Go struct\n`)
    return
  }
  const known = entry.messages.get(name)
  const byNumber = new Map(protoFields.map((field) => [field.number, field]))
  const kind = struct.some((field) => field.typeMeta) || KINDS_WITHOUT_TYPE_META.has(full)
  const message = known ?? { mark: kind ? '!' : '', fields: new Map() }
  entry.messages.set(name, message)
  for (const field of struct) {
    if (
      field.json === '-' ||
      field.typeMeta ||
      Number.isNaN(field.number) ||
      message.fields.has(field.number)
    )
      continue
    const proto = byNumber.get(field.number)
    if (proto === undefined) throw new Error(`${full}: field ${field.number} is in the Go type only`)
    byNumber.delete(field.number)
    const json = field.inline ? '.' : field.json
    const shape = proto.map ? 'map:' : proto.repeated ? '[]' : field.pointer ? '*' : ''
    // A field that the server does not have (any more, or yet) must not appear as null in what it says.
    const optional = known !== undefined || NEWER_THAN_TYPE.has(`${full}.${json}`)
    const omit = optional && field.omit === '' ? '?' : field.omit
    const typed = WITH_TYPE_META.has(`${full}.${json}`)
    // The alias in meta.v1beta1 has the apiVersion that JSON shows.
    const type = typed ? `${proto.type.replace(/^meta\.v1\./, '')}!` : proto.type
    message.fields.set(field.number, `${json}:${field.number}:${shape}${type}${omit}`)
  }
}

/** The struct behind `type List metav1.List`, or in a v1alpha1 `type MatchCondition v1.MatchCondition`. */
function definedStruct(root, path, target) {
  const [, pkg, name] = /^(v1|metav1)\.(\w+)$/.exec(target ?? '') ?? []
  if (name === undefined) return undefined
  const folder = pkg === 'metav1' ? 'apimachinery/pkg/apis/meta/v1' : join(path, '../v1')
  return parseGo(join(root, folder)).structs.get(name)
}

/** The names of fields are as Go prints them: struct order. */
function print(table, labels) {
  const lines = []
  for (const [pkg, { apiVersion, messages, aliases }] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`package ${pkg} ${apiVersion}`)
    for (const [name, { mark, fields }] of [...messages].sort(([a], [b]) => (a < b ? -1 : 1))) {
      lines.push([name + mark, ...fields.values()].join(' '))
    }
    for (const [name, target] of aliases) {
      const [, of, message] = /^(.+)\.(\w+)$/.exec(target)
      if (table.get(of)?.messages.get(message)?.mark === '!') lines.push(`${name}! ${target}`)
    }
  }
  return `// Generated by generate.mjs, do not edit. From ${labels.join(', ')}.

/**
 * The protobuf messages of the Kubernetes API and what their fields are in JSON.
 *
 * \`package NAME APIVERSION\` begins a package. Each further line is a message: its name and its fields in the order of
 * JSON. \`!\` behind the name: it is a kind of that apiVersion; \`=\`: it is only a wrapper of a list, which JSON shows
 * bare; \`~\`: its Go type has a MarshalJSON, and the names of its fields are those of the .proto file. One word of the
 * form package.Name in place of fields: it is that other message.
 *
 * A field is NAME:NUMBER:TYPE. NAME \`.\`: JSON shows the fields of this message as those of the outer one. Before the
 * type, \`*\` is a Go pointer, \`[]\` repeated, \`map:\` a map from strings; a message of the same package is named without
 * it. With a \`!\` behind it JSON shows its kind and apiVersion. A \`?\` at the end is Go's omitempty.
 */
export const TABLE = \`
${lines.join('\n')}
\`
`
}

const roots = process.argv.slice(2).map((arg) => /^([^=]+)=(.+)$/.exec(arg))
if (roots.length === 0 || roots.includes(null)) {
  process.stderr.write('usage: node generate.mjs LABEL=ROOT... > table.ts\n')
  process.exit(2)
}
const table = new Map()
for (const [, , root] of roots) readRoot(join(root, 'k8s.io'), table)
for (const [pkg, additions] of Object.entries(ADDED)) {
  const { messages } = table.get(pkg)
  for (const [name, text] of Object.entries(additions)) {
    const message = messages.get(name) ?? { mark: '', fields: new Map() }
    messages.set(name, message)
    for (const field of text.split(' ')) {
      const number = Number(field.split(':')[1])
      if (!message.fields.has(number)) message.fields.set(number, field)
    }
  }
}
process.stdout.write(
  print(
    table,
    roots.map(([, label]) => label),
  ),
)
