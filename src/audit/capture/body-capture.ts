import type { ObjectReference } from '../event.js'
import type { BodyCapture, CaptureWants } from './capture.js'
import { type ContentEncoding, contentEncodingOf } from './content-encoding.js'
import { type CaptureEnvironment, HeldCapture } from './held-capture.js'
import type { BodyKind } from './limits.js'
import { type Encoding, encodingOf } from './media-type.js'
import { UnreadableCapture } from './unreadable-capture.js'

/** What is known about a body before it comes. */
export interface BodyDescription {
  /** The Content-Type header, with its parameters. */
  readonly mediaType: string | undefined
  /** The Content-Encoding header of a response. What a request says of its own does not count. */
  readonly contentEncoding?: string | undefined
  /** The request's HTTP method. */
  readonly method: string
  /** What the request is about, for redaction. */
  readonly ref: ObjectReference | undefined
  /** Whose request it is: users share the memory. */
  readonly user: string
}

/** The methods whose bodies kube-apiserver decodes: k8s.io/apiserver/pkg/endpoints/handlers create, update, patch, delete. */
const DECODED_METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** Makes the captures of bodies. */
export class Captures {
  readonly #environment: CaptureEnvironment
  /** Whether bodies are recorded that kube-apiserver refused to read, and so has none of in its own log. */
  readonly keepRefused: boolean

  constructor(environment: CaptureEnvironment, keepRefused = false) {
    this.#environment = environment
    this.keepRefused = keepRefused
  }

  /**
   * The capture of a request's body; undefined where there is nothing to learn from it. kube-apiserver decodes what it was
   * sent whatever the request's Content-Encoding says (k8s.io/apiserver/pkg/endpoints/handlers has no place that reads that
   * header), and reads no body of a GET.
   */
  request(wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    if (!DECODED_METHODS.has(body.method) || !(wants.object || wants.metadata)) return undefined
    const encoding = encodingOf(body.mediaType, true)
    if (encoding === undefined) return unreadable('request', wants, 'the body is of a type that is not read')
    return this.#capture(
      'request',
      wants.status ? { ...wants, status: false } : wants,
      body,
      encoding,
      'identity',
    )
  }

  /** The capture of a response's body; undefined where there is nothing to learn from it. */
  response(wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    if (body.method === 'HEAD' || !(wants.object || wants.metadata || wants.status)) return undefined
    const encoding = encodingOf(body.mediaType, false)
    if (encoding === undefined) return undefined
    const contentEncoding = contentEncodingOf(body.contentEncoding)
    if (contentEncoding === undefined) {
      return unreadable('response', wants, 'the body is in a content encoding that is not read')
    }
    return this.#capture('response', wants, body, encoding, contentEncoding)
  }

  #capture(
    kind: BodyKind,
    wants: CaptureWants,
    body: BodyDescription,
    encoding: Encoding,
    contentEncoding: ContentEncoding,
  ): BodyCapture {
    const isPatch = kind === 'request' && body.method === 'PATCH'
    return new HeldCapture(
      { kind, wants, ref: body.ref, encoding, contentEncoding, isPatch, method: body.method },
      body.user,
      this.#environment,
    )
  }
}

function unreadable(kind: BodyKind, wants: CaptureWants, why: string): BodyCapture | undefined {
  return wants.object ? new UnreadableCapture(kind, why) : undefined
}
