import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import tls, { type TLSSocket } from 'node:tls'
import type { Socket } from 'node:net'
import type { StandIn } from './stand-in.js'

/** A connection that was upgraded: the head of the 101 and what follows. */
export interface Upgraded {
  readonly res: IncomingMessage
  readonly socket: Socket
}

/** Asks for an upgrade through the proxy, as admin unless the options say who. */
export async function upgrade(
  standIn: StandIn,
  path: string,
  protocol: string,
  options: RequestOptions = {},
): Promise<Upgraded> {
  return upgradeAt({ ...(options.port === undefined ? standIn.as() : {}), path, ...options }, protocol)
}

/** Asks a server for an upgrade. */
export async function upgradeAt(options: RequestOptions, protocol: string): Promise<Upgraded> {
  const req = https.request({
    agent: false,
    ...options,
    headers: { Connection: 'Upgrade', Upgrade: protocol, ...(options.headers as object) },
  })
  req.end()
  const [res, socket, head] = (await once(req, 'upgrade')) as [IncomingMessage, Socket, Buffer]
  if (head.length > 0) socket.unshift(head)
  return { res, socket }
}

/** A TLS connection to the proxy, to write a request by hand. Half-closing it is up to the test. */
export async function connectTLS(standIn: StandIn, who = standIn.as()): Promise<TLSSocket> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: standIn.proxy.port,
    ca: standIn.ca.cert,
    cert: who.cert,
    key: who.key,
  })
  socket.allowHalfOpen = true
  await once(socket, 'secureConnect')
  return socket
}

/** Reads until `enough` says so; answers all of it, as latin1. */
export async function readUntil(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  let text = ''
  while (!enough(text)) {
    const chunk = socket.read() as Buffer | null
    if (chunk !== null) text += chunk.toString('latin1')
    else if (socket.readableEnded || socket.destroyed) throw new Error(`the connection ended after: ${text}`)
    else await change(socket)
  }
  return text
}

/** Resolves when there is something to read, or nothing ever will be. */
export async function change(socket: Socket): Promise<void> {
  const waiting = new AbortController()
  const { signal } = waiting
  await Promise.race(
    ['readable', 'end', 'close'].map((event) => once(socket, event, { signal }).catch(ignore)),
  )
  waiting.abort()
}

function ignore(): void {
  // The connection's state says it.
}

/** Reads to the end of the connection; answers all of it. */
export async function readAll(socket: Socket): Promise<Buffer> {
  // An async iterator would destroy the socket when it ends, and with it the other direction.
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}
