import { once } from 'node:events'
import tls from 'node:tls'

/** How an attacker gets to the proxy, and how long and how often it attacks. */
export interface Door {
  readonly port: number
  /** PEM. */
  readonly ca: string
  /** A client certificate and its key, for those who have one. */
  readonly cert?: string
  readonly key?: string
  readonly seconds: number
}

/** A connection of its own. Whoever attacks does not mind errors. */
export async function connect(door: Door, protocol: 'http/1.1' | 'h2'): Promise<tls.TLSSocket> {
  const { port, ca, cert, key } = door
  const socket = tls.connect({
    ...{ host: '127.0.0.1', port, ca, ALPNProtocols: [protocol] },
    ...(cert === undefined ? {} : { cert, key }),
  })
  socket.on('error', () => undefined)
  socket.resume()
  await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => undefined)
  return socket
}
