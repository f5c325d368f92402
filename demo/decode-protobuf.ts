import { ProtobufConverter } from '../src/audit/capture/protobuf/convert.js'
import type { Json } from './apiserver/json.js'

/** Characters of JSON: far more than any object here. */
const MAX_LENGTH = 10 << 20

/** Reads what newer kubectl sends, which uses protobuf where it knows the type. The decoder throws for what it cannot read. */
export function newProtobufDecoder(): (body: Buffer) => Json {
  const protobuf = new ProtobufConverter()
  return (body) => {
    const converted = protobuf.convert(body, { maxLength: MAX_LENGTH })
    if (!('json' in converted)) throw new Error('expected an object in Kubernetes’ protobuf')
    return JSON.parse(converted.json) as Json
  }
}
