import type { IncomingMessage } from 'node:http'
import { parse as parseYaml } from 'yaml'
import { errorMessage } from '../../src/errors.js'
import type { Json } from './json.js'
import { StatusError } from './status.js'

/** As kube-apiserver: k8s.io/apiserver/pkg/server MaxRequestBodyBytes. */
const MAX_BODY_BYTES = 3 * 1024 * 1024
const MAX_DEPTH = 100
const YAML_OPTIONS = { maxAliasCount: 100, logLevel: 'error' } as const

const JSON_TYPE = 'application/json'
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf'

/** The media type of a header, without parameters, in lower case. */
export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

/** Turns an object in Kubernetes' protobuf envelope into what its JSON would be; throws where it is malformed. */
export type DecodeProtobuf = (body: Buffer) => Json

/** Reads and decodes the bodies of requests. */
export class BodyReader {
  /** The media types of an object. */
  readonly objectTypes: readonly string[]

  /** Without `decodeProtobuf`, protobuf is answered with 415. */
  constructor(readonly decodeProtobuf: DecodeProtobuf | undefined) {
    const text = [JSON_TYPE, 'application/yaml']
    this.objectTypes = decodeProtobuf === undefined ? text : [...text, PROTOBUF_TYPE]
  }

  /**
   * The body, which is of one of the `accepted` media types; `undefined` is an empty one.
   * @throws StatusError 400, 413 or 415
   */
  async read(req: IncomingMessage, accepted = this.objectTypes): Promise<Json | undefined> {
    const bytes = await readAll(req)
    if (bytes.length === 0) return undefined
    const type = mediaType(req.headers['content-type']) || JSON_TYPE
    if (!accepted.includes(type)) throw StatusError.unsupportedMediaType(accepted)
    let body: Json
    try {
      body = this.#decode(type, bytes)
    } catch (err) {
      throw StatusError.badRequest(`error decoding the body: ${errorMessage(err)}`)
    }
    if (!withinDepth(body, MAX_DEPTH)) {
      throw StatusError.badRequest(`the body is nested more than ${MAX_DEPTH} levels deep`)
    }
    return body
  }

  /** As `read`, where there must be a body. */
  async require(req: IncomingMessage, accepted = this.objectTypes): Promise<Json> {
    const body = await this.read(req, accepted)
    if (body === undefined) throw StatusError.badRequest('the request has no body')
    return body
  }

  #decode(type: string, bytes: Buffer): Json {
    if (type === PROTOBUF_TYPE && this.decodeProtobuf !== undefined) return this.decodeProtobuf(bytes)
    const text = bytes.toString()
    // Aliases in YAML can make one object appear twice, or inside itself: the way through JSON copies it, or throws.
    if (type.endsWith('yaml')) return JSON.parse(JSON.stringify(parseYaml(text, YAML_OPTIONS))) as Json
    return JSON.parse(text) as Json
  }
}

/** Keeps no more than MAX_BODY_BYTES; what comes beyond is read and dropped, so that the connection stays usable. */
function readAll(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    req.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= MAX_BODY_BYTES) chunks.push(chunk)
      else reject(StatusError.tooLarge(MAX_BODY_BYTES))
    })
    req.once('end', () => resolve(Buffer.concat(chunks)))
    req.once('error', reject)
  })
}

function withinDepth(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  return Object.values(value).every((item) => withinDepth(item, depth - 1))
}
