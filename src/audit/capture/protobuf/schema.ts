import { resourceOfKind } from './default-kind.js'

/** How a field's value travels and what JSON shows for it. */
export type ValueType = 'string' | 'bool' | 'int32' | 'int64' | 'double' | 'bytes' | 'message'

export interface Field {
  /** `"name":`, ready for the output; empty where the fields of this message are shown as the outer one's. */
  readonly key: string
  readonly type: ValueType
  /** Set where type is message. */
  readonly message: Message | undefined
  /** Go: T, *T, []T or map[string]T. */
  readonly shape: 'value' | 'pointer' | 'list' | 'map'
  /** Go's omitempty: a zero value, a nil or an empty list is left out of JSON. */
  readonly omitEmpty: boolean
  /** Go's omitzero: a zero time is left out as well. */
  readonly omitZero: boolean
  /** `"kind":"…","apiVersion":"…"` where JSON shows these though protobuf does not have them. */
  readonly typeMeta: string | undefined
  /** What JSON shows where it is not on the wire; undefined where nothing is shown, or what an inlined message shows. */
  readonly ifAbsent: 'null' | '[]' | undefined
  /** Where a value comes more than once the last one counts; others are collected or merged. */
  readonly lastWins: boolean
}

/** One message type. Its fields are in the order that JSON has them in. */
export interface Message {
  /** Package and name, such as core.v1.Pod. */
  readonly name: string
  readonly fields: readonly Field[]
  /** By field number the index in `fields`. */
  readonly index: readonly (number | undefined)[]
  /** What JSON shows where no field is on the wire: the members, with commas between them. */
  readonly ifEmpty: string
  /** A message that only wraps a list (its one field), which JSON shows bare. */
  readonly isList: boolean
  /** The name without the package where the Go type has a MarshalJSON of its own, such as Time. */
  readonly special: string | undefined
}

interface Declaration {
  readonly pkg: string
  readonly name: string
  /** `!` a kind, `=` a wrapper of a list, `~` special; see table.ts. */
  readonly mark: string
  /** With spaces between them; they are read when they are needed. */
  readonly fields: string
}

const SCALARS: ReadonlySet<string> = new Set<ValueType>([
  'string',
  'bool',
  'int32',
  'int64',
  'double',
  'bytes',
])

/**
 * The table of messages (see table.ts), and which of them each kind of each API version is. Messages are built from their
 * lines when they are first asked for: a cluster uses few of them.
 */
export class Schema {
  readonly #declarations = new Map<string, Declaration>()
  /** `apiVersion kind` to the message's name. */
  readonly #kinds = new Map<string, string>()
  /** `apiVersion resource` to the kind. */
  readonly #resources = new Map<string, string>()
  /** By the message's name, for kinds. */
  readonly #typeMetas = new Map<string, string>()
  readonly #aliases = new Map<string, string>()
  readonly #messages = new Map<string, Message>()

  constructor(table: string) {
    let pkg = ''
    let apiVersion = ''
    for (const line of table.split('\n')) {
      if (line === '') continue
      const [, name = '', mark = '', rest = ''] = /^(\w+)([!=~]?)(?: (.*))?$/.exec(line) ?? []
      if (name === 'package') {
        ;[pkg = '', apiVersion = ''] = rest.split(' ')
        continue
      }
      const full = `${pkg}.${name}`
      if (rest === '' || rest.includes(':')) this.#declarations.set(full, { pkg, name, mark, fields: rest })
      else this.#aliases.set(full, rest)
      if (mark !== '!') continue
      this.#kinds.set(`${apiVersion} ${name}`, full)
      this.#resources.set(`${apiVersion} ${resourceOfKind(name)}`, name)
      this.#typeMetas.set(full, `"kind":${JSON.stringify(name)},"apiVersion":${JSON.stringify(apiVersion)}`)
    }
  }

  /**
   * The message of a kind. The kinds of meta/v1 (Status, DeleteOptions, WatchEvent and so on) belong to every API
   * version, as in k8s.io/apimachinery/pkg/apis/meta/v1/register.go AddToGroupVersion.
   */
  kind(apiVersion: string, kind: string): Message | undefined {
    const name = this.#kinds.get(`${apiVersion} ${kind}`)
    if (name !== undefined) return this.message(name)
    const meta = `meta.v1.${kind}`
    return this.#declarations.get(meta)?.mark === '!' ? this.message(meta) : undefined
  }

  /** The kind of a resource's objects, such as Pod for pods; undefined where the table does not have it. */
  kindOf(apiVersion: string, resource: string): string | undefined {
    return this.#resources.get(`${apiVersion} ${resource}`)
  }

  /** A message by its name, such as meta.v1.ObjectMeta, which must be in the table. */
  message(nameOrAlias: string): Message {
    const name = this.#aliases.get(nameOrAlias) ?? nameOrAlias
    const known = this.#messages.get(name)
    if (known !== undefined) return known
    const declaration = this.#declarations.get(name)
    if (declaration === undefined) throw new Error(`no message ${name}`)
    const fields: Field[] = []
    const index: (number | undefined)[] = []
    const message = {
      name,
      fields,
      index,
      ifEmpty: '',
      isList: declaration.mark === '=',
      special: declaration.mark === '~' ? declaration.name : undefined,
    }
    // Known before its fields are: messages such as JSONSchemaProps contain themselves.
    this.#messages.set(name, message)
    for (const text of declaration.fields === '' ? [] : declaration.fields.split(' ')) {
      const [json = '', number = '', ...type] = text.split(':')
      index[Number(number)] = fields.length
      fields.push(this.#field(json, type.join(':'), declaration))
    }
    message.ifEmpty = fields.flatMap(membersIfAbsent).join(',')
    return message
  }

  #field(json: string, typeText: string, { pkg, mark }: Declaration): Field {
    const [, prefix = '', type = '', typed, omit] =
      /^(\*|\[\]|map:)?([\w.]+)(!?)(\?{0,2})$/.exec(typeText) ?? []
    const isScalar = SCALARS.has(type)
    const full = type.includes('.') ? type : `${pkg}.${type}`
    const message = isScalar ? undefined : this.message(full)
    const shape = prefix === '*' ? 'pointer' : prefix === '[]' ? 'list' : prefix === 'map:' ? 'map' : 'value'
    // Go prints nil slices, maps and pointers; the values that are never nil are always on the wire.
    const isNilable = shape !== 'value' || type === 'bytes' || message?.isList === true
    // The apiserver never lets a list's items be nil: k8s.io/apiserver/pkg/storage/etcd3/store.go List.
    const nil = mark === '!' && json === 'items' ? '[]' : 'null'
    return {
      key: json === '.' ? '' : `${JSON.stringify(json)}:`,
      type: isScalar ? (type as ValueType) : 'message',
      message,
      shape,
      omitEmpty: omit !== '',
      omitZero: omit === '??',
      typeMeta: typed === '!' ? this.#typeMetas.get(full) : undefined,
      ifAbsent: omit !== '' || !isNilable || json === '.' ? undefined : nil,
      // metav1.Time's Unmarshal begins anew; generated ones go on with what they have.
      lastWins:
        (shape === 'value' || shape === 'pointer') &&
        (isScalar || message?.special === 'Time' || message?.special === 'MicroTime'),
    }
  }
}

function membersIfAbsent({ key, message, ifAbsent }: Field): string[] {
  if (key === '' && message !== undefined) return message.ifEmpty === '' ? [] : [message.ifEmpty]
  return ifAbsent === undefined ? [] : [key + ifAbsent]
}
