import type { RequestTarget } from '../convert.js'
import { compactJSON } from '../json/json.js'
import { defaultTypeMeta } from './default-kind.js'
import { MessagePrinter, OutputTooLong } from './printer.js'
import { Scanner, type Slot } from './scanner.js'
import { Schema, type Message } from './schema.js'
import { TABLE } from './table.js'
import type { TypeMeta } from './type-meta.js'
import { MalformedProtobuf } from './wire.js'

export interface ConversionLimits {
  /** The longest JSON that is wanted, in UTF-16 code units. A body may well be thirty times as long in JSON. */
  readonly maxLength: number
}

export interface ConvertedObject {
  /** The object as one line of JSON, as Kubernetes prints it. Where the kind is not known: kind, apiVersion and metadata. */
  readonly json: string
  /** Whether the kind is one of those in table.ts. */
  readonly known: boolean
  /** Whether there were fields that table.ts does not have, as a newer Kubernetes may send them; they are left out. */
  readonly unknownFields: boolean
  readonly apiVersion: string
  readonly kind: string
}

type Printed = Pick<ConvertedObject, 'json' | 'unknownFields'>

/** How deep objects within objects may nest. Only hostile bodies come near it. */
const MAX_ENVELOPES = 8

/** "k8s" and a zero byte: k8s.io/apimachinery/pkg/runtime/serializer/protobuf/protobuf.go protoEncodingPrefix. */
const MAGIC = Buffer.from('k8s\0')

/**
 * Kubernetes objects from protobuf to JSON. One serves all requests; it keeps what it has learned of the table.
 */
export class ProtobufConverter {
  readonly #schema = new Schema(TABLE)

  /**
   * The object in `body` (application/vnd.kubernetes.protobuf) as the JSON that kube-apiserver would print. Undefined where
   * `body` is not such an object, is cut off, nests deeper than 100 messages, or is longer in JSON than `limits` allow.
   *
   * A field whose Go type is no pointer, list or map and that the sender left out is left out here as well: a Go sender
   * writes all that it knows, so this one does not know the field. `body` is not changed, and nothing keeps it.
   *
   * @param target set for the body of a request: it is an object of the target's kind where it does not say what it is
   */
  convert(body: Buffer, limits: ConversionLimits, target?: RequestTarget): ConvertedObject | undefined {
    try {
      return this.#envelope(body, limits.maxLength, 0, target)
    } catch (err) {
      if (err instanceof MalformedProtobuf || err instanceof OutputTooLong) return undefined
      throw err
    }
  }

  #envelope(body: Buffer, maxLength: number, depth: number, target?: RequestTarget): ConvertedObject {
    if (depth > MAX_ENVELOPES || !isEnvelope(body)) throw new MalformedProtobuf('no Kubernetes object')
    const { raw, ...said } = this.#unknown(body.subarray(MAGIC.length))
    const { apiVersion, kind } = target === undefined ? said : this.#completed(said, target)
    const message = this.#schema.kind(apiVersion, kind)
    if (message !== undefined) {
      return {
        ...this.#print(message, { kind, apiVersion }, raw, maxLength, depth),
        known: true,
        apiVersion,
        kind,
      }
    }
    return { ...this.#printUnknown({ kind, apiVersion }, raw, maxLength), known: false, apiVersion, kind }
  }

  /** k8s.io/apimachinery/pkg/runtime/serializer/protobuf/protobuf.go copyKindDefaults. */
  #completed(said: TypeMeta, target: RequestTarget): TypeMeta {
    if (said.kind !== '' && said.apiVersion !== '') return said
    const whole = defaultTypeMeta(target, (apiVersion, resource) => this.#schema.kindOf(apiVersion, resource))
    if (whole === undefined) return said
    return { apiVersion: said.apiVersion || whole.apiVersion, kind: said.kind || whole.kind }
  }

  #print(message: Message, typeMeta: TypeMeta, raw: Buffer, maxLength: number, depth: number): Printed {
    const scanner = new Scanner(raw)
    const printer = new MessagePrinter(scanner, maxLength, (bytes, left) => {
      const embedded = this.#embedded(bytes, left, depth)
      scanner.unknownFields ||= embedded.unknownFields
      return embedded.json
    })
    printer.object(message, typeMeta)
    return { json: printer.out, unknownFields: scanner.unknownFields }
  }

  /** By convention each kind has its ObjectMeta in field 1, and each list its ListMeta there and its items in field 2. */
  #printUnknown(typeMeta: TypeMeta, raw: Buffer, maxLength: number): Printed {
    const name = typeMeta.kind.endsWith('List') ? 'meta.v1.AnyList' : 'meta.v1.PartialObjectMetadata'
    const message = this.#schema.message(name)
    try {
      return { ...this.#print(message, typeMeta, raw, maxLength, 0), unknownFields: true }
    } catch (err) {
      if (!(err instanceof MalformedProtobuf)) throw err
      return { json: JSON.stringify(typeMeta), unknownFields: true }
    }
  }

  /**
   * k8s.io/apimachinery/pkg/runtime Unknown. Whatever its contentEncoding and contentType say, `raw` is protobuf to
   * kube-apiserver (serializer/protobuf/protobuf.go Decode), and so it is here: a client must not choose what is audited.
   */
  #unknown(bytes: Buffer): TypeMeta & { raw: Buffer } {
    const scanner = new Scanner(bytes)
    const message = this.#schema.message('runtime.Unknown')
    const [typeMeta, raw] = scanner.all(message)
    const [apiVersion, kind] = scanner.fields(message.fields[0]?.message as Message, typeMeta)
    const text = (slot: Slot) => scanner.bytes(slot)?.toString() ?? ''
    return { apiVersion: text(apiVersion), kind: text(kind), raw: scanner.bytes(raw) ?? Buffer.alloc(0) }
  }

  /** runtime.RawExtension and its like: JSON text, an object with an envelope of its own, or something else. */
  #embedded(bytes: Buffer, maxLength: number, depth: number): Printed {
    if (isEnvelope(bytes)) return this.#envelope(bytes, maxLength, depth + 1)
    // Go would refuse to print what is no JSON: better to show the bytes than to lose the object around them.
    return { json: compactJSON(bytes) ?? JSON.stringify(bytes.toString('base64')), unknownFields: false }
  }
}

function isEnvelope(bytes: Buffer): boolean {
  return bytes.length > MAGIC.length && MAGIC.equals(bytes.subarray(0, MAGIC.length))
}
