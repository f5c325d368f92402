import type { ObjectReference } from '../event.js'
import { compactJSON } from './json/json.js'
import type { Encoding } from './media-type.js'

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
export interface RequestTarget {
  readonly method: string
  readonly ref: ObjectReference | undefined
}

/** What turns bodies that are not JSON into JSON text on one line; undefined is what each says to what it cannot read. */
export interface Converters {
  readonly yaml: (text: string) => string | undefined
  readonly protobuf: {
    /** `maxLength`: of the JSON, in UTF-16 code units. */
    convert(
      body: Buffer,
      limits: { readonly maxLength: number },
      target?: RequestTarget,
    ): ProtobufObject | undefined
  }
}

/** A body as JSON text on one line. */
export interface ConvertedBody {
  readonly json: string
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/**
 * The object in `body` as JSON text; undefined where kube-apiserver would not read it either, or where the text would be
 * longer than `maxLength`. A patch is decoded into maps: of duplicate keys the last one counts.
 *
 * @param target set for the body of a request
 */
export function toJSON(
  body: Buffer,
  encoding: Encoding,
  isPatch: boolean,
  converters: Converters,
  maxLength: number,
  target?: RequestTarget,
): ConvertedBody | undefined {
  switch (encoding) {
    case 'json':
      return converted(compactJSON(body, isPatch ? 'last' : 'merge'))
    case 'yaml':
      return converted(compactJSON(body, 'last') ?? converters.yaml(body.toString('utf8')))
    case 'protobuf': {
      const object = converters.protobuf.convert(body, { maxLength }, target)
      return object && { json: object.json, annotations: unknowns(object) }
    }
  }
}

function converted(json: string | undefined): ConvertedBody | undefined {
  return json === undefined ? undefined : { json }
}

function unknowns({ known, unknownFields, apiVersion, kind }: ProtobufObject): ConvertedBody['annotations'] {
  if (known && !unknownFields) return undefined
  return { [`kube-audit-proxy.io/unknown-${known ? 'fields' : 'kind'}`]: `${apiVersion}, Kind=${kind}` }
}
