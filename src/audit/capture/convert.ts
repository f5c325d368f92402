import type { ObjectReference } from '../event.js'
import { compactJSON } from './json/json.js'
import type { GoType } from './json/go-type.js'
import type { Encoding } from './media-type.js'
import { typeMetaOf } from './metadata.js'
import type { TypeMeta } from './protobuf/type-meta.js'
import { decodeYAML } from './yaml/yaml-text.js'

/** A Kubernetes object that came as protobuf. */
export interface ProtobufObject {
  /** JSON text on one line. Where the kind is not known it has apiVersion, kind and metadata. */
  readonly json: string
  readonly known: boolean
  /** Whether there were fields that are not known, and are left out. */
  readonly unknownFields: boolean
  readonly apiVersion: string
  readonly kind: string
}

/** What a request asks for, which says what its body is where the body does not. */
export interface BodyTarget {
  readonly method: string
  readonly ref: ObjectReference | undefined
}

/** A body that could not be read. */
export interface Unread {
  /** Why, in a sentence without a full stop. */
  readonly unread: string
}

/** A body whose JSON would be longer than is wanted. */
export interface TooLong {
  /** The beginning of the JSON. */
  readonly tooLong: string
}

/** What turns bodies that are not JSON into JSON text on one line; undefined is what each says to what it cannot read. */
export interface Converters {
  /** Undefined where it is too slow for the thread that has these converters. */
  readonly yaml: ((text: string) => string | undefined) | undefined
  readonly protobuf: {
    /** What an object is decoded into that says of itself what it is; undefined where the kind is not known. */
    goType(said: TypeMeta, target?: BodyTarget): GoType | undefined
    /** `maxLength`: of the JSON, in UTF-16 code units. */
    convert(
      body: Buffer,
      limits: { readonly maxLength: number },
      target?: BodyTarget,
    ): ProtobufObject | Unread | TooLong
  }
  readonly cbor: (body: Buffer, limits: { readonly maxLength: number }) => ConvertedBody | Unread | TooLong
}

/** There is no converter for the body here: another thread has one. */
export class NotHereError extends Error {
  override name = 'NotHereError'
}

/** A body as JSON text on one line. */
export interface ConvertedBody {
  readonly json: string
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/**
 * The object in `body` as JSON text, or why there is none; undefined where kube-apiserver would not read it either.
 * Patches and custom resources are decoded into maps: of duplicate keys the last one counts.
 *
 * @param maxLength how long the text may be, in UTF-16 code units
 * @param target set for the body of a request
 * @throws NotHereError where there is no converter; whatever else goes wrong in here is the doing of the body
 */
export function toJSON(
  body: Buffer,
  encoding: Encoding,
  isPatch: boolean,
  converters: Converters,
  maxLength: number,
  target?: BodyTarget,
): ConvertedBody | Unread | TooLong | undefined {
  switch (encoding) {
    case 'json':
      return converted(
        compactJSON(
          body,
          isPatch ? undefined : (text) => converters.protobuf.goType(typeMetaOf(text), target),
        ),
      )
    case 'yaml':
      return converted(yamlDocument(body, converters))
    case 'protobuf': {
      const object = converters.protobuf.convert(body, { maxLength }, target)
      return 'json' in object ? { json: object.json, annotations: unknowns(object) } : object
    }
    case 'cbor':
      return converters.cbor(body, { maxLength })
  }
}

/** JSON is YAML, and read as such it is kept as it came: but for what YAML takes for line breaks and folds. */
function yamlDocument(body: Buffer, converters: Converters): string | undefined {
  const json = compactJSON(body)
  if (json !== undefined && !FOLDED.test(json)) return json
  if (converters.yaml === undefined) throw new NotHereError()
  return converters.yaml(decodeYAML(body))
}

const FOLDED = /[\u0085\u2028\u2029\ufeff]/

function converted(json: string | undefined): ConvertedBody | undefined {
  return json === undefined ? undefined : { json }
}

function unknowns({ known, unknownFields, apiVersion, kind }: ProtobufObject): ConvertedBody['annotations'] {
  if (known && !unknownFields) return undefined
  return { [`kube-audit-proxy.io/unknown-${known ? 'fields' : 'kind'}`]: `${apiVersion}, Kind=${kind}` }
}
