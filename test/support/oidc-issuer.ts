import { once } from 'node:events'
import https from 'node:https'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Issued } from './pki.js'
import { signToken, type SigningKey } from './tokens.js'

/** A stand-in OpenID Connect provider: a real HTTPS server with discovery and keys. */
export class OIDCIssuer {
  /** The keys that it publishes. */
  keys: SigningKey[]
  /** Paths that were asked for, oldest first. */
  readonly asked: string[] = []
  /** Answers in place of the documents, where set. */
  misbehave: ((path: string, res: ServerResponse) => boolean) | undefined
  readonly #server: https.Server

  static async start(serving: Issued, key: SigningKey): Promise<OIDCIssuer> {
    const issuer = new OIDCIssuer(serving, key)
    issuer.#server.listen(0, '127.0.0.1')
    await once(issuer.#server, 'listening')
    return issuer
  }

  private constructor(serving: Issued, key: SigningKey) {
    this.keys = [key]
    this.#server = https.createServer({ cert: serving.cert, key: serving.key }, (req, res) => {
      const path = req.url ?? ''
      this.asked.push(path)
      if (this.misbehave?.(path, res) === true) return
      const document =
        path === '/.well-known/openid-configuration'
          ? { issuer: this.url, jwks_uri: `${this.url}/keys` }
          : path === '/keys'
            ? { keys: this.keys.map((one) => this.#jwk(one)) }
            : undefined
      res.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
      res.end(JSON.stringify(document ?? {}))
    })
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** A token of this issuer, good for an hour. */
  token(claims: object = {}, header: object = {}, key = this.keys[0] as SigningKey): Promise<string> {
    return signToken(key, this.claims(claims), header)
  }

  claims(over: object = {}): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000)
    return {
      iss: this.url,
      aud: 'kubernetes',
      sub: 'alice',
      groups: ['dev'],
      iat: now,
      exp: now + 3600,
      ...over,
    }
  }

  async stop(): Promise<void> {
    const closed = once(this.#server.close(), 'close')
    this.#server.closeAllConnections()
    await closed
  }

  #jwk(key: SigningKey): object {
    return { ...key.publicKey.export({ format: 'jwk' }), kid: key.id, use: 'sig', alg: key.algorithm }
  }
}
