import { once } from 'node:events'
import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { RequestOptions } from 'node:https'

export interface Http2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly trailers: IncomingHttpHeaders | undefined
  readonly body: Buffer
}

/** A session with the proxy, as the client whose TLS options these are. */
export async function connectHttp2(
  tls: RequestOptions,
  options: ClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const { host, port, ca, cert, key } = tls
  const session = http2.connect(`https://${host}:${port}`, {
    // A session that has more than this to send resets its streams; the limit that tests are about is the other end's.
    maxSessionMemory: 1000,
    ...options,
    ca: ca as string,
    cert: cert as string | undefined,
    key: key as string | undefined,
  })
  await once(session, 'connect')
  return session
}

/** Sends a request whole and reads the answer whole. */
export async function askHttp2(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return answerOf(stream)
}

/** Reads the answer on a stream whole. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let trailers: IncomingHttpHeaders | undefined
  stream.on('trailers', (received: IncomingHttpHeaders) => (trailers = received))
  const [headers, , rawHeaders] = (await once(stream, 'response')) as [IncomingHttpHeaders, number, string[]]
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return { status: Number(headers[':status']), headers, rawHeaders, trailers, body: Buffer.concat(chunks) }
}
