import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { Socket } from 'node:net'
import { WebSocketReader } from '../src/sessions/websocket-reader.js'
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

  /** Types lines into a shell, each when it prompts, and waits for its end, for at most ten seconds. */
  async exec(path: string, lines: readonly string[], signal: AbortSignal): Promise<Answer> {
    const auditID = randomUUID()
    const { url } = this.#options
    const req = request(new URL(path, url), {
      agent: this.#agent,
      signal: withTimeout(signal),
      headers: {
        ...this.#headers(auditID),
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
        'sec-websocket-protocol': 'v5.channel.k8s.io',
      },
    })
    req.end()
    const [res, socket] = (await once(req, 'upgrade')) as [IncomingMessage, Socket]
    let text = ''
    const left = [...lines]
    const reader = new WebSocketReader(
      { masked: false, fragments: true },
      {
        begin: () => undefined,
        piece: (bytes) => (text += bytes.toString('latin1', 1)),
        end: () => {
          const next = text.endsWith('# ') ? left.shift() : undefined
          for (const key of next === undefined ? '' : `${next}\r`) socket.write(typed(key))
        },
      },
    )
    socket.on('data', (chunk: Buffer) => reader.push(chunk))
    await once(socket, 'end', { signal: withTimeout(signal) })
    socket.end()
    return { auditID, code: res.statusCode ?? 0, text }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #send(call: Call, auditID: string, signal: AbortSignal): Promise<IncomingMessage> {
    const req = request(new URL(call.path, this.#options.url), {
      agent: this.#agent,
      method: call.method,
      signal,
      headers: {
        ...this.#headers(auditID),
        ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        ...call.headers,
      },
    })
    req.end(call.body === undefined ? undefined : JSON.stringify(call.body))
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    return res
  }

  #headers(auditID: string): Record<string, string> {
    const { credential } = this.#options
    return {
      accept: 'application/json',
      'audit-id': auditID,
      'user-agent': 'kube-audit-proxy-demo',
      ...('token' in credential ? { authorization: `Bearer ${credential.token}` } : {}),
    }
  }
}

/** One key, as a frame of a client. */
function typed(key: string): Buffer {
  const mask = randomBytes(4)
  const payload = Buffer.from(`\0${key}`).map((byte, i) => byte ^ (mask[i % 4] as number))
  return Buffer.concat([Buffer.from([0x82, 0x80 | payload.length]), mask, payload])
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
