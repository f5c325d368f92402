import type { Dispatcher } from 'undici'
import { errorMessage } from '../../../errors.js'
import type { ClusterConnection } from '../../../kubeconfig/connection.js'
import { newClusterPool } from '../../../cluster/connection.js'
import type { EventListBody } from './webhook-body.js'

/** How one attempt to deliver ended. */
export type Attempt =
  | { readonly delivered: true }
  | {
      readonly delivered: false
      /** One line, without credentials and without anything that was sent or received. */
      readonly reason: string
      readonly status?: number
      /** Milliseconds that the receiver wants to be left alone. */
      readonly retryAfter?: number | undefined
    }

export interface WebhookClientOptions {
  /** Milliseconds for one attempt, from the credentials to the end of the response. Default 30,000, kube-apiserver's. */
  readonly timeout?: number
  /** How many connections at most; only the blocking modes come near it. Default 128. */
  readonly connections?: number
  /** Told how each attempt ended that was not abandoned. */
  readonly onAttempt?: (attempt: Attempt) => void
}

/** k8s.io/apiserver/pkg/util/webhook/webhook.go defaultRequestTimeout. */
const DEFAULT_TIMEOUT = 30_000
const DEFAULT_CONNECTIONS = 128
/** Nobody reads what the receiver answers; a connection with more of it than this is not used again. */
const MAX_RESPONSE_BYTES = 64 * 1024
/** A Retry-After of more than this is taken for a mistake, and for this. */
const MAX_RETRY_AFTER = 60_000

/** Posts event lists to a receiver, one attempt each. */
export interface EventListClient {
  /** Where the next list goes, for messages. */
  readonly url: string
  /**
   * One POST. Any status but 2xx, a response that is cut off and whatever keeps one from coming is a failure. Never
   * rejects.
   *
   * @param abandon ends the attempt early
   */
  send(body: EventListBody, abandon: AbortSignal): Promise<Attempt>
  /** Cuts what is still open. */
  close(): Promise<void>
}

/** The client of one receiver, that of a connection which does not change. */
export class WebhookClient implements EventListClient {
  readonly #connection: ClusterConnection
  readonly #pool: Dispatcher
  readonly #timeout: number
  readonly #onAttempt: ((attempt: Attempt) => void) | undefined
  readonly #path: string

  /** @param connection closed with the client */
  constructor(connection: ClusterConnection, options: WebhookClientOptions = {}) {
    this.#connection = connection
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT
    this.#onAttempt = options.onAttempt
    this.#pool = newClusterPool(connection, {
      withCredentials: true,
      connections: options.connections ?? DEFAULT_CONNECTIONS,
      connectTimeout: this.#timeout,
    })
    // client-go tells the receiver how long it will wait: k8s.io/client-go/rest/request.go URL.
    this.#path = `${connection.server.pathname}?timeout=${this.#timeout / 1000}s`
  }

  get url(): string {
    const { server } = this.#connection
    return server.origin + server.pathname
  }

  async send(body: EventListBody, abandon: AbortSignal): Promise<Attempt> {
    const attempt = await this.#attempt(body, abandon)
    if (!abandon.aborted) this.#onAttempt?.(attempt)
    return attempt
  }

  async close(): Promise<void> {
    this.#connection.credentials.close()
    await this.#pool.destroy()
  }

  async #attempt(body: EventListBody, abandon: AbortSignal): Promise<Attempt> {
    const controller = new AbortController()
    const stop = () => controller.abort(new Error('given up at the shutdown deadline'))
    const timer = setTimeout(() => {
      controller.abort(new Error(`no answer within ${this.#timeout / 1000} seconds`))
    }, this.#timeout)
    if (abandon.aborted) stop()
    abandon.addEventListener('abort', stop, { once: true })
    try {
      return await this.#post(body, controller.signal)
    } catch (err) {
      const reason = controller.signal.aborted ? (controller.signal.reason as Error) : err
      return { delivered: false, reason: oneLine(errorMessage(reason)) }
    } finally {
      clearTimeout(timer)
      abandon.removeEventListener('abort', stop)
    }
  }

  async #post({ chunks, length }: EventListBody, signal: AbortSignal): Promise<Attempt> {
    const { credentials, server } = this.#connection
    const authorization = await unlessAborted(credentials.authorization(), signal)
    const response = await this.#pool.request({
      origin: server.origin,
      path: this.#path,
      method: 'POST',
      headers: {
        accept: 'application/json, */*',
        'content-type': 'application/json',
        'content-length': String(length),
        'user-agent': 'kube-audit-proxy',
        ...(authorization !== undefined && { authorization }),
      },
      // undici takes any iterable of buffers; its types know only some.
      body: chunks as unknown as Buffer,
      signal,
    })
    await drain(response.body)
    const { statusCode: status, headers } = response
    if (status >= 200 && status < 300) return { delivered: true }
    if (status === 401) credentials.invalidate(authorization)
    const retryAfter = status === 429 || status === 503 ? parseRetryAfter(headers['retry-after']) : undefined
    return { delivered: false, reason: `status ${status}`, status, retryAfter }
  }
}

/** Reads what came, within limits, so that the connection can be used again. Rejects if it ends too early. */
async function drain(body: Dispatcher.ResponseData['body']): Promise<void> {
  let bytes = 0
  // Leaving the loop early destroys the body, and its connection with it.
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_RESPONSE_BYTES) return
  }
}

/** Retry-After, seconds or a date (RFC 9110 section 10.2.3), as milliseconds from now, a minute at most. */
export function parseRetryAfter(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string') return undefined
  const wait = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return wait > 0 ? Math.min(wait, MAX_RETRY_AFTER) : undefined
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 300)
}
