/** A field of a message in a generated.proto. */
export interface ProtoField {
  readonly name: string
  readonly number: number
  readonly repeated: boolean
  readonly map: boolean
  /** A scalar, a message of the same package by its bare name, or package.Name. */
  readonly type: string
}

export interface ProtoFile {
  /** The short name of the package, such as core.v1. */
  readonly pkg: string
  readonly messages: ReadonlyMap<string, readonly ProtoField[]>
}

const SCALARS: ReadonlySet<string> = new Set(['string', 'bool', 'int32', 'int64', 'double', 'bytes'])

/** Reads a generated.proto as go-to-protobuf writes it. */
export function parseProto(text: string): ProtoFile {
  const pkg = /^package (.+);$/m.exec(text)?.[1] ?? ''
  const messages = new Map<string, ProtoField[]>()
  let fields: ProtoField[] = []
  for (const line of text.split('\n')) {
    const message = /^message (\w+) \{/.exec(line)?.[1]
    if (message !== undefined) messages.set(message, (fields = []))
    const field =
      /^ {2}(?:(optional|repeated|required) |map<string, ([\w.]+)> )([\w.]+)(?: (\w+))? = (\d+)/.exec(line)
    if (field === null) continue
    const [, label, mapOf, typeOrName = '', name, number] = field
    fields.push({
      // Behind map<...> there is no type any more, and the name is the first word.
      name: name ?? typeOrName,
      number: Number(number),
      repeated: label === 'repeated',
      map: mapOf !== undefined,
      type: localName(mapOf ?? typeOrName, pkg),
    })
  }
  return { pkg: shortPackage(pkg), messages }
}

/** k8s.io.api.core.v1 is core.v1, k8s.io.apimachinery.pkg.apis.meta.v1 is meta.v1. */
function shortPackage(name: string): string {
  return name.replace(/^k8s\.io\.(api|[a-z_]+\.pkg\.(apis|util|api)|[a-z_]+\.pkg)\./, '')
}

function localName(type: string, pkg: string): string {
  if (SCALARS.has(type)) return type
  const bare = type.startsWith('.') ? type.slice(1) : type
  if (!bare.includes('.')) return bare
  const at = bare.lastIndexOf('.')
  const name = bare.slice(at + 1)
  return bare.slice(0, at) === pkg ? name : `${shortPackage(bare.slice(0, at))}.${name}`
}
