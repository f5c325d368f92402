import { once } from 'node:events'
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type AddressInfo, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Issued } from './pki.js'
import { Watch } from './watch.js'

export interface ReceivedList {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly items: { readonly auditID: string; readonly stage: string }[]
  /** The common name of the client certificate. */
  readonly clientName: string | undefined
  /** The name that the client asked for. */
  readonly servername: string | undefined
}

/** Answers one POST; `n` counts them from 0. */
export type Answer = (response: ServerResponse, list: ReceivedList, n: number) => void

export const ok: Answer = (response) => response.end()

export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (response) => response.writeHead(code, headers).end('the receiver says no')
}

/** The first answers, then the last one for good. */
export function inTurn(...answers: Answer[]): Answer {
  return (response, list, n) => answers[Math.min(n, answers.length - 1)]!(response, list, n)
}

export interface ReceiverOptions {
  /** Without it the receiver speaks plain HTTP. */
  readonly serving?: Issued | undefined
  /** Client certificates of this authority are required. */
  readonly clientCA?: string | undefined
}

/** A receiver of audit events that answers as a test wants it to. */
export class WebhookReceiver {
  readonly requests: ReceivedList[] = []
  answer: Answer = ok
  /** Changes with each request, before it is answered. */
  readonly watch = new Watch()
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #scheme: string

  private constructor({ serving, clientCA }: ReceiverOptions) {
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void this.#receive(request, response).catch(() => response.destroy())
    const clients =
      clientCA === undefined ? {} : { ca: clientCA, requestCert: true, rejectUnauthorized: true }
    this.#server =
      serving === undefined
        ? createHttpServer(onRequest)
        : createHttpsServer({ cert: serving.cert, key: serving.key, ...clients }, onRequest)
    this.#scheme = serving === undefined ? 'http' : 'https'
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(options: ReceiverOptions = {}, port = 0): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(options)
    receiver.#server.listen(port, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/audit`
  }

  /** The auditIDs of all that was answered or is being answered, in the order of arrival. */
  get auditIDs(): string[] {
    return this.requests.flatMap(({ items }) => items.map((item) => item.auditID))
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const socket = request.socket as TLSSocket & { servername?: string | false }
    const list = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body,
      items: (JSON.parse(body) as Pick<ReceivedList, 'items'>).items,
      clientName: socket.getPeerCertificate?.()?.subject?.CN as string | undefined,
      servername: socket.servername || undefined,
    }
    const n = this.requests.push(list) - 1
    this.watch.changed()
    this.answer(response, list, n)
  }
}

/** An HTTP proxy that opens tunnels, and keeps a list of where to. */
export async function startConnectProxy(): Promise<{
  readonly url: string
  readonly targets: string[]
  readonly stop: () => void
}> {
  const targets: string[] = []
  const sockets = new Set<Socket>()
  const proxy = createHttpServer()
  proxy.on('connect', (request: IncomingMessage, client: Socket) => {
    targets.push(request.url ?? '')
    const { hostname, port } = new URL(`http://${request.url}`)
    const server = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => client.destroy(server.destroy() as unknown as undefined))
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const stop = () => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  }
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, targets, stop }
}

/** A forward proxy for servers on http, whatever their names: it sends what it is asked for to `port` of this machine. */
export async function startForwardProxy(port: number): Promise<{
  readonly url: string
  /** Request line, Host and Proxy-Authorization of each request. */
  readonly seen: string[]
  readonly stop: () => void
}> {
  const seen: string[] = []
  const proxy = createHttpServer((request, response) => {
    const { method, url = '', headers } = request
    seen.push(`${method} ${url} ${headers.host} ${headers['proxy-authorization'] ?? '-'}`)
    const { pathname, search } = new URL(url)
    const { 'proxy-authorization': _, ...others } = headers
    const onward = httpRequest(
      { host: '127.0.0.1', port, method, path: pathname + search, headers: others },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  proxy.on('connect', (request: IncomingMessage, client: Socket) => {
    seen.push(`CONNECT ${request.url}`)
    client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const stop = () => {
    proxy.closeAllConnections()
    proxy.close()
  }
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, seen, stop }
}
