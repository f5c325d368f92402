import type { Dispatcher } from 'undici'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'
import { PRIORITY_LEVEL } from './response-head.js'

/** Bytes of a refusal that is held; a Status is far smaller. */
const MAX_HELD = 64 << 10

/**
 * Connections on which a 403 may be given another body: one that comes from before API priority and fairness, which is
 * where the apiserver refuses impersonation, and that is small and not compressed. All else passes as it comes, with nothing
 * held back. (Watches and logs that share a connection, and requests that ask for an upgrade, do not come this way: their
 * refusals pass unchanged.)
 *
 * @param rewrite takes the whole body, and answers the JSON that takes its place; undefined: it stays as it is
 */
export function rewritingRefusals(
  connections: UpstreamConnections,
  rewrite: (body: string) => string | undefined,
): UpstreamConnections {
  const dispatcher = connections.dispatcher.compose(
    (dispatch) => (options, handler) => dispatch(options, new RewritingHandler(handler, rewrite)),
  )
  return { ...connections, dispatcher }
}

interface Held {
  readonly message: string | undefined
  readonly headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]
  readonly chunks: Buffer[]
  size: number
}

class RewritingHandler implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #rewrite: (body: string) => string | undefined
  #held: Held | undefined

  constructor(handler: Dispatcher.DispatchHandler, rewrite: (body: string) => string | undefined) {
    this.#handler = handler
    this.#rewrite = rewrite
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Held['headers'],
    message?: string,
  ): void {
    if (
      statusCode === 403 &&
      headers[PRIORITY_LEVEL] === undefined &&
      headers['content-encoding'] === undefined
    )
      this.#held = { message, headers, chunks: [], size: 0 }
    else this.#handler.onResponseStart?.(controller, statusCode, headers, message)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const held = this.#held
    if (held === undefined) {
      this.#handler.onResponseData?.(controller, chunk)
      return
    }
    // The chunk is undici's own.
    held.chunks.push(Buffer.from(chunk))
    held.size += chunk.length
    if (held.size > MAX_HELD) this.#release(controller)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Held['headers']): void {
    const held = this.#held
    const body = held && this.#rewrite(Buffer.concat(held.chunks).toString('utf8'))
    if (held === undefined || body === undefined) this.#release(controller)
    else {
      const bytes = Buffer.from(body)
      this.#held = undefined
      const rawHeaders = { value: withLength(controller.rawHeaders as readonly Buffer[], bytes.length) }
      const changed = Object.create(controller, { rawHeaders }) as Dispatcher.DispatchController
      this.#handler.onResponseStart?.(changed, 403, held.headers, held.message)
      this.#handler.onResponseData?.(controller, bytes)
    }
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#release(controller)
    this.#handler.onResponseError?.(controller, error)
  }

  /** What was held passes as it came. */
  #release(controller: Dispatcher.DispatchController): void {
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    this.#handler.onResponseStart?.(controller, 403, held.headers, held.message)
    for (const chunk of held.chunks) this.#handler.onResponseData?.(controller, chunk)
  }
}

/** The headers of a response, for another body of JSON: name, value, ... */
function withLength(raw: readonly Buffer[], length: number): Buffer[] {
  const headers: Buffer[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i], raw[i + 1]] as [Buffer, Buffer]
    if (!/^(?:content-length|transfer-encoding)$/i.test(name.toString('latin1'))) headers.push(name, value)
  }
  return [...headers, Buffer.from('Content-Length'), Buffer.from(String(length))]
}
