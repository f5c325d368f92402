import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Duplex } from 'node:stream'
import type { AddressInfo } from 'node:net'
import type { UserInfo } from '../../src/request/user-info.js'
import type { KeyPair } from '../certificates.js'
import { Authenticator, type ClientAuthorities } from './authentication.js'
import { Authorizer, type Rule } from './authorization.js'
import { BodyReader, type DecodeProtobuf } from './body.js'
import { Handler } from './handler.js'
import { NAMESPACES } from './resources.js'
import { Storage } from './storage.js'
import { Store } from './store.js'

export interface ApiserverOptions extends ClientAuthorities {
  readonly serving: KeyPair
  /** Bearer tokens and whom they are for. */
  readonly tokens: ReadonlyMap<string, UserInfo>
  readonly rules: readonly Rule[]
  /** Newer kubectl sends protobuf where it knows the type. */
  readonly decodeProtobuf?: DecodeProtobuf
}

/** As kube-apiserver's: longer than clients keep an idle connection. */
const IDLE_TIMEOUT_MS = 90_000

/**
 * A kube-apiserver in miniature: a few resources, in memory, on 127.0.0.1. Enough that kubectl works against it, so that
 * the proxy can be tried without a cluster.
 */
export class DemoApiserver {
  readonly url: string
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** Listens on a free port. */
  static async start(options: ApiserverOptions): Promise<DemoApiserver> {
    const store = new Store()
    const namespaces = new Storage(NAMESPACES, store)
    for (const name of ['default', 'kube-system']) {
      namespaces.create('', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, false)
    }
    const bodies = new BodyReader(options.decodeProtobuf)
    const authenticator = new Authenticator(options, options.tokens)
    const handler = new Handler(store, authenticator, new Authorizer(options.rules), bodies)
    const server = createServer(
      {
        ...options.serving,
        ca: [options.clientCA, options.frontProxyCA],
        requestCert: true,
        // Who has no certificate may have a token.
        rejectUnauthorized: false,
        keepAliveTimeout: IDLE_TIMEOUT_MS,
      },
      (req, res) => void handler.handle(req, res),
    )
    server.on('upgrade', (req: IncomingMessage, socket: Duplex) => handler.upgrade(req, socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new DemoApiserver(server)
  }

  /** Ends every connection and stops to listen. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
