import { cborToJSON } from './cbor/convert.js'
import type { Converters } from './convert.js'
import { ProtobufConverter } from './protobuf/convert.js'
import { yamlToJSON } from './yaml/yaml.js'

/** The converters of everything that can be read. */
export function newConverters(): Converters {
  return { yaml: yamlToJSON, protobuf: new ProtobufConverter(), cbor: cborToJSON }
}
