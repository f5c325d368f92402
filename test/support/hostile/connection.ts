import { once } from 'node:events'
import tls from 'node:tls'

export interface Door {
  readonly port: number
  readonly ca: string
  readonly cert?: string
  readonly key?: string
}

/** Whoever waits longer than this for an answer was let hang, which is a failure of its own. In milliseconds. */
const HANGS_AFTER = 15_000

export async function connect(door: Door, protocol: 'http/1.1' | 'h2'): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', ALPNProtocols: [protocol], ...door })
  await once(socket, 'secureConnect')
  return socket
}

/**
 * Sends bytes over a TLS connection and answers the status codes of the responses that came until the server closed it.
 * @param hangUp ends the client's side after the bytes
 * @throws where the answer is not HTTP, or the server neither answers nor closes
 */
export async function exchange(door: Door, bytes: string | Buffer, hangUp: boolean): Promise<number[]> {
  const socket = await connect(door, 'http/1.1')
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  // A server that has refused a request need not read the rest of it.
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  const timer = setTimeout(() => socket.destroy(new Error('hangs')), HANGS_AFTER)
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  if (hangUp) socket.end()
  await closed.catch(() => undefined)
  clearTimeout(timer)
  const codes = readResponses(Buffer.concat(received))
  if (socket.errored?.message === 'hangs') throw new Error(`no end came after ${JSON.stringify(codes)}`)
  return codes
}

/** Sends a request over TLS 1.2, and after its answer a handshake and a second one. The status codes of both. */
export async function exchangeRenegotiating(door: Door, first: string, second: string): Promise<number[]> {
  const socket = tls.connect({ host: '127.0.0.1', maxVersion: 'TLSv1.2', ...door })
  await once(socket, 'secureConnect')
  const received: Buffer[] = []
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  const timer = setTimeout(() => socket.destroy(new Error('hangs')), HANGS_AFTER)
  const answered = once(socket, 'data')
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  socket.write(Buffer.from(first, 'latin1'))
  await Promise.race([answered, closed])
  socket.renegotiate({}, () => undefined)
  socket.write(Buffer.from(second, 'latin1'))
  await closed.catch(() => undefined)
  clearTimeout(timer)
  if (socket.errored?.message === 'hangs') throw new Error('no end came after another handshake')
  return readResponses(Buffer.concat(received))
}

/** The status codes of the responses that make up `bytes`, 1xx left out. Throws where they are not whole responses. */
export function readResponses(bytes: Buffer): number[] {
  const codes: number[] = []
  let text = bytes.toString('latin1')
  while (text !== '') {
    const end = text.indexOf('\r\n\r\n')
    const head = text.slice(0, end)
    const code = Number(/^HTTP\/1\.1 (\d{3}) [^\r\n]*(?:\r\n|$)/.exec(head)?.[1])
    if (end < 0 || Number.isNaN(code)) throw new Error(`not HTTP: ${JSON.stringify(text.slice(0, 200))}`)
    text = text.slice(end + 4)
    if (code < 200) continue
    codes.push(code)
    if (/\r\nTransfer-Encoding: chunked(?:\r\n|$)/i.test(head)) text = afterChunks(text)
    else {
      const length = /\r\nContent-Length: (\d+)(?:\r\n|$)/i.exec(head)?.[1]
      // Without either, the body is what comes until the end, but for HEAD; what answers HEAD is asked with a length.
      text = length === undefined ? '' : text.startsWith('HTTP/1.1 ') ? text : text.slice(Number(length))
    }
  }
  return codes
}

function afterChunks(text: string): string {
  for (;;) {
    const line = /^([0-9a-f]+)\r\n/i.exec(text)
    if (line === null) throw new Error(`not a chunk: ${JSON.stringify(text.slice(0, 100))}`)
    const size = parseInt(line[1] as string, 16)
    text = text.slice(line[0].length + size)
    if (size === 0) return text.slice(text.indexOf('\r\n') + 2)
    text = text.slice(2)
  }
}
