import { BEARER_PROTOCOL } from '../request/bearer-protocol.js'
import type { ClientHeaders } from '../request/client-headers.js'
import { trimSpace } from '../request/trim-space.js'
import { InvalidCredential, type Authenticator, type PresentedCredentials } from './authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import { strangerOn, type TokenAuthenticator, type TokenBearer } from './bearer-token.js'
import { withAuthenticatedGroup } from './groups.js'

const HEADER = 'sec-websocket-protocol'

/**
 * A bearer token among the subprotocols of a WebSocket, where browsers can put one
 * (k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go).
 */
export class WebSocketProtocolAuthenticator implements Authenticator {
  readonly #tokens: TokenAuthenticator

  constructor(tokens: TokenAuthenticator) {
    this.#tokens = tokens
  }

  authenticate({
    headers,
    socket,
    upgradeProtocol,
  }: PresentedCredentials): Promise<Authenticated> | undefined {
    if (upgradeProtocol?.toLowerCase() !== 'websocket') return undefined
    const token = protocolToken(headers)
    return token === undefined ? undefined : this.#verify(token, strangerOn(socket))
  }

  async #verify(token: string, bearer: TokenBearer): Promise<Authenticated> {
    const user = await this.#tokens.authenticateToken(token, bearer)
    if (user === undefined) throw new InvalidCredential('invalid bearer token')
    return { user: withAuthenticatedGroup(user), passage: 'forwarded', token: 'websocket-protocol' }
  }
}

/** @throws InvalidCredential */
function protocolToken(headers: ClientHeaders): string | undefined {
  let encoded: string | undefined
  let others = 0
  for (const value of headers.values(HEADER)) {
    for (const part of value.split(',')) {
      const protocol = trimSpace(part)
      if (!protocol.startsWith(BEARER_PROTOCOL)) others++
      else if (encoded !== undefined) throw new InvalidCredential('more than one bearer token subprotocol')
      else encoded = protocol.slice(BEARER_PROTOCOL.length)
    }
  }
  if (encoded === undefined || encoded === '') return undefined
  // The server has to agree to one of them, and not to the token.
  if (others === 0) throw new InvalidCredential('a bearer token subprotocol without another one')
  return decode(encoded)
}

/** Go's base64.RawURLEncoding, of UTF-8. */
function decode(encoded: string): string {
  const bytes = Buffer.from(encoded, 'base64url')
  const token = bytes.toString('utf8')
  const exact = /^[A-Za-z0-9_-]*$/.test(encoded) && encoded.length % 4 !== 1
  if (!exact || !Buffer.from(token, 'utf8').equals(bytes)) {
    throw new InvalidCredential('a bearer token subprotocol that is not base64url')
  }
  return token
}
