/** How a body is encoded, as far as its object can be read. */
export type Encoding = 'json' | 'yaml' | 'protobuf' | 'cbor'

/**
 * How a body of this Content-Type is read; undefined where it has no object: another type, or a response that is a stream
 * of watch events. Parameters of a request's type mean nothing, and a request without one is JSON
 * (k8s.io/apiserver/pkg/endpoints/handlers/negotiation NegotiateInputSerializer). Every type with the suffix `+json` or
 * `+yaml` is a patch.
 */
export function encodingOf(mediaType: string | undefined, isRequest: boolean): Encoding | undefined {
  const [type = '', ...parameters] = (mediaType ?? '').toLowerCase().split(';')
  if (!isRequest && parameters.some((parameter) => parameter.trim() === 'stream=watch')) return undefined
  switch (type.trim()) {
    case '':
      return isRequest ? 'json' : undefined
    case 'application/json':
    case 'application/json-patch+json':
    case 'application/merge-patch+json':
    case 'application/strategic-merge-patch+json':
      return 'json'
    case 'application/yaml':
    case 'application/apply-patch+yaml':
      return 'yaml'
    case 'application/vnd.kubernetes.protobuf':
      return 'protobuf'
    case 'application/cbor':
    case 'application/apply-patch+cbor':
      return 'cbor'
    default:
      return undefined
  }
}
