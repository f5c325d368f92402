import { cborToJSON } from '../cbor/convert.js'
import type { BodyTarget, TooLong, Unread } from '../convert.js'
import type { GoType } from '../json/go-type.js'
import { compactJSON } from '../json/json.js'
import { JSONWriter, MAX_DEPTH, OutputTooLong, TooDeep } from '../json/json-writer.js'
import { defaultTypeMeta } from './default-kind.js'
import { goTypeOf } from './go-types.js'
import { MessagePrinter } from './printer.js'
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

/** Where an object is: how many objects it is in, how many objects and lists are around it, what room is left for it. */
interface Place {
  readonly envelopes: number
  readonly depth: number
  readonly maxLength: number
}

/** How deep objects within objects are read. Kubernetes' own never hold more than one. */
const MAX_ENVELOPES = 8

/** "k8s" and a zero byte: k8s.io/apimachinery/pkg/runtime/serializer/protobuf/protobuf.go protoEncodingPrefix. */
const MAGIC = Buffer.from('k8s\0')

/** The tag that CBOR begins with where nothing else says that it is CBOR. */
const SELF_DESCRIBED_CBOR = Buffer.from([0xd9, 0xd9, 0xf7])

/**
 * Kubernetes objects from protobuf to JSON. One serves all requests; it keeps what it has learned of the table.
 */
export class ProtobufConverter {
  readonly #schema = new Schema(TABLE)

  /**
   * The object in `body` (application/vnd.kubernetes.protobuf) as the JSON that kube-apiserver would print.
   *
   * A field whose Go type is no pointer, list or map and that the sender left out is left out here as well: a Go sender
   * writes all that it knows, so this one does not know the field. `body` is not changed, and nothing keeps it.
   *
   * @param target set for the body of a request: it is an object of the target's kind where it does not say what it is
   * @returns instead, why there is no JSON: `body` is no such object or cut off, or nests deeper than any decoder of JSON
   *   reads; or the beginning of the JSON, where the whole is longer than `limits` allow
   */
  convert(
    body: Buffer,
    { maxLength }: ConversionLimits,
    target?: BodyTarget,
  ): ConvertedObject | Unread | TooLong {
    try {
      return this.#envelope(body, { envelopes: 0, depth: 0, maxLength }, target)
    } catch (err) {
      if (err instanceof OutputTooLong) return { tooLong: err.written }
      if (err instanceof TooDeep) return { unread: `the body nests deeper than ${MAX_DEPTH} levels` }
      if (err instanceof MalformedProtobuf)
        return { unread: `the body is not valid protobuf: ${err.message}` }
      throw err
    }
  }

  /**
   * The Go type that kube-apiserver decodes JSON into that says of itself to be `said`; undefined where the kind is not in
   * the table, as those of custom resources are not.
   *
   * @param target as for `convert`
   */
  goType(said: TypeMeta, target?: BodyTarget): GoType | undefined {
    const { apiVersion, kind } = target === undefined ? said : this.#completed(said, target)
    const message = this.#schema.kind(apiVersion, kind)
    return message === undefined ? undefined : goTypeOf(message)
  }

  #envelope(body: Buffer, place: Place, target?: BodyTarget): ConvertedObject {
    if (!isEnvelope(body)) throw new MalformedProtobuf('no Kubernetes object')
    const { raw, ...said } = this.#unknown(body.subarray(MAGIC.length))
    const typeMeta = target === undefined ? said : this.#completed(said, target)
    const message = this.#schema.kind(typeMeta.apiVersion, typeMeta.kind)
    if (message === undefined)
      return { ...this.#printUnknown(typeMeta, raw, place), known: false, ...typeMeta }
    return { ...this.#print(message, typeMeta, raw, place), known: true, ...typeMeta }
  }

  /** k8s.io/apimachinery/pkg/runtime/serializer/protobuf/protobuf.go copyKindDefaults. */
  #completed(said: TypeMeta, target: BodyTarget): TypeMeta {
    if (said.kind !== '' && said.apiVersion !== '') return said
    const whole = defaultTypeMeta(target, (apiVersion, resource) => this.#schema.kindOf(apiVersion, resource))
    if (whole === undefined) return said
    return { apiVersion: said.apiVersion || whole.apiVersion, kind: said.kind || whole.kind }
  }

  #print(message: Message, typeMeta: TypeMeta, raw: Buffer, place: Place): Printed {
    const scanner = new Scanner(raw)
    const writer = new JSONWriter(place.maxLength)
    const printer = new MessagePrinter(scanner, writer, place.depth, (bytes, special, maxLength, depth) => {
      try {
        const embedded = this.#embedded(bytes, special, { envelopes: place.envelopes + 1, depth, maxLength })
        scanner.unknownFields ||= embedded.unknownFields
        return embedded.json
      } catch (err) {
        throw err instanceof OutputTooLong ? new OutputTooLong(writer.out + err.written) : err
      }
    })
    printer.object(message, typeMeta)
    return { json: writer.out, unknownFields: scanner.unknownFields }
  }

  /** By convention each kind has its ObjectMeta in field 1, and each list its ListMeta there and its items in field 2. */
  #printUnknown(typeMeta: TypeMeta, raw: Buffer, place: Place): Printed {
    const name = typeMeta.kind.endsWith('List') ? 'meta.v1.AnyList' : 'meta.v1.PartialObjectMetadata'
    const message = this.#schema.message(name)
    try {
      return { ...this.#print(message, typeMeta, raw, place), unknownFields: true }
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

  /** JSON text, or CBOR; in a RawExtension an object with an envelope of its own; or something else. */
  #embedded(bytes: Buffer, special: string, place: Place): Printed {
    if (special === 'RawExtension' && isEnvelope(bytes) && place.envelopes <= MAX_ENVELOPES) {
      try {
        return this.#envelope(bytes, place)
      } catch (err) {
        if (!(err instanceof MalformedProtobuf)) throw err
      }
    }
    if (mayBeCBOR(bytes, special)) {
      const converted = cborToJSON(bytes, place)
      if ('tooLong' in converted) throw new OutputTooLong(converted.tooLong)
      if ('json' in converted) return { json: converted.json, unknownFields: false }
    }
    // Go would refuse to print what is no JSON: better to show the bytes than to lose the object around them.
    return { json: compactJSON(bytes) ?? JSON.stringify(bytes.toString('base64')), unknownFields: false }
  }
}

function isEnvelope(bytes: Buffer): boolean {
  return bytes.length > MAGIC.length && MAGIC.equals(bytes.subarray(0, MAGIC.length))
}

/**
 * Whether kube-apiserver would take the bytes in a RawExtension or a FieldsV1 for CBOR, by its first ones
 * (k8s.io/apimachinery/pkg/runtime/extension.go guessContentType, pkg/apis/meta/v1/helpers.go getContentType).
 */
function mayBeCBOR(bytes: Buffer, special: string): boolean {
  if (special === 'RawExtension')
    return SELF_DESCRIBED_CBOR.equals(bytes.subarray(0, SELF_DESCRIBED_CBOR.length))
  const [first = 0] = bytes
  return (
    special === 'FieldsV1' &&
    (first === 0xf6 || (first >= 0xa0 && first <= 0xbf) || (first >= 0xc6 && first <= 0xdb))
  )
}
