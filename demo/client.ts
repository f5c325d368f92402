import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { KeyPair } from './certificates.js'

/** Where the proxy is, and as whom to call it. */
export interface ClientOptions {
  readonly url: string
  /** PEM of the authority that signed the proxy's certificate. */
  readonly ca: string
  readonly credential: KeyPair | { readonly token: string }
}

export interface Call {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly auditID: string
  readonly code: number
  readonly text: string
}

const TIMEOUT_MS = 10_000

function withTimeout(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
}

/** A user's connection to the proxy. It names its requests (Audit-ID), so that their events can be found. */
export class DemoClient {
  readonly #options: ClientOptions
  readonly #agent: Agent

  constructor(options: ClientOptions) {
    this.#options = options
    const pair = 'cert' in options.credential ? options.credential : {}
    this.#agent = new Agent({ keepAlive: true, ca: options.ca, ...pair })
  }

  /** Sends a request and reads the answer, in at most ten seconds. */
  async call(call: Call, signal: AbortSignal): Promise<Answer> {
    const auditID = randomUUID()
    const res = await this.#send(call, auditID, withTimeout(signal))
    res.setEncoding('utf8')
    const chunks: string[] = []
    for await (const chunk of res) chunks.push(chunk as string)
    return { auditID, code: res.statusCode ?? 0, text: chunks.join('') }
  }

  /** Starts a watch. It is over when `signal` is aborted, or with `close`. */
  async watch(path: string, signal: AbortSignal): Promise<Watch> {
    const auditID = randomUUID()
    return new Watch(auditID, await this.#send({ method: 'GET', path }, auditID, signal))
  }

  close(): void {
    this.#agent.destroy()
  }

  async #send(call: Call, auditID: string, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, credential } = this.#options
    const req = request(new URL(call.path, url), {
      agent: this.#agent,
      method: call.method,
      signal,
      headers: {
        accept: 'application/json',
        'audit-id': auditID,
        'user-agent': 'kube-audit-proxy-demo',
        ...('token' in credential ? { authorization: `Bearer ${credential.token}` } : {}),
        ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        ...call.headers,
      },
    })
    req.end(call.body === undefined ? undefined : JSON.stringify(call.body))
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    return res
  }
}

/** A watch that is under way. */
export class Watch {
  constructor(
    readonly auditID: string,
    readonly response: IncomingMessage,
  ) {}

  /** Waits for something to come, for at most ten seconds. */
  async next(signal: AbortSignal): Promise<void> {
    await once(this.response, 'data', { signal: withTimeout(signal) })
  }

  close(): void {
    // What the connection says about its end is no news to who ends it.
    this.response.on('error', () => {})
    this.response.destroy()
  }
}
