import { once } from 'node:events'
import http2, { type ClientHttp2Stream } from 'node:http2'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { Readable, Writable } from 'node:stream'
import type { Test } from 'tap'
import { connectHttp2 } from './http2.js'
import type { StandIn } from './stand-in.js'

export interface Request {
  readonly path: string
  /** GET without it. */
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
}

export interface Response {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Readable
}

/** A request under way. */
export interface Sent {
  /** Takes the request's body. */
  readonly upload: Writable
  /** The head of the response, when it has come. */
  readonly response: Promise<Response>
  /** As if the client had lost interest. */
  cancel(): void
}

/** A client of the proxy, as admin. */
export interface Client {
  /** Sends the head of a request. Without a body to come, that is the whole of it. */
  send(request: Request, withBody?: boolean): Sent
}

/** The protocols that the proxy serves, to a client of which it must all be the same. */
export interface Protocol {
  readonly name: string
  connect(t: Test, standIn: StandIn): Promise<Client>
  /** The code of the error with which a response ends that was cut off. */
  readonly cutOff: string
}

export const PROTOCOLS: readonly Protocol[] = [
  { name: 'HTTP/1.1', connect: (_t, standIn) => Promise.resolve(http1(standIn)), cutOff: 'ECONNRESET' },
  { name: 'HTTP/2', connect: connectSession, cutOff: 'ERR_HTTP2_STREAM_ERROR' },
]

function http1(standIn: StandIn): Client {
  return {
    send({ path, method = 'GET', headers = {} }, withBody = false) {
      const upload = https.request({ ...standIn.as(), agent: false, method, path, headers })
      upload.on('error', () => undefined)
      if (withBody) upload.flushHeaders()
      else upload.end()
      const response = once(upload, 'response').then(([res]: IncomingMessage[]) => ({
        status: res!.statusCode ?? 0,
        headers: res!.headers,
        rawHeaders: res!.rawHeaders,
        body: res!,
      }))
      response.catch(() => undefined)
      return { upload, response, cancel: () => upload.destroy() }
    },
  }
}

async function connectSession(t: Test, standIn: StandIn): Promise<Client> {
  const session = await connectHttp2(standIn.as())
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return {
    send({ path, method = 'GET', headers = {} }, withBody = false) {
      const stream: ClientHttp2Stream = session.request(
        { ...headers, ':method': method, ':path': path },
        { endStream: !withBody },
      )
      stream.on('error', () => undefined)
      const response = once(stream, 'response').then((args) => {
        const [head, , rawHeaders] = args as [IncomingHttpHeaders, number, string[]]
        return { status: Number(head[':status']), headers: head, rawHeaders, body: stream }
      })
      response.catch(() => undefined)
      return { upload: stream, response, cancel: () => stream.close(http2.constants.NGHTTP2_CANCEL) }
    },
  }
}

/** A request whole, and the answer to it whole. */
export async function ask(
  client: Client,
  request: Request,
  body?: string | Buffer,
): Promise<Omit<Response, 'body'> & { readonly body: Buffer }> {
  const sent = client.send(request, body !== undefined)
  if (body !== undefined) sent.upload.end(body)
  const response = await sent.response
  const chunks: Buffer[] = []
  for await (const chunk of response.body) chunks.push(chunk as Buffer)
  return { ...response, body: Buffer.concat(chunks) }
}

/** The values of one header, each as it was sent. */
export function headerValues(raw: readonly string[], lower: string): string[] {
  return raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === lower)
}
