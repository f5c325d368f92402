import type { ClientHeaders } from '../request/client-headers.js'
import {
  InvalidCredential,
  type Authenticated,
  type Authenticator,
  type Credentials,
} from './authenticator.js'
import type { TokenAuthenticator } from './bearer-token.js'
import { withAuthenticatedGroup } from './groups.js'

const PREFIX = 'base64url.bearer.authorization.k8s.io.'
const HEADER = 'sec-websocket-protocol'

/**
 * A bearer token among the subprotocols of a WebSocket, where browsers can put one
 * (k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go).
 */
export class WebSocketProtocolAuthenticator implements Authenticator {
  constructor(private readonly tokens: TokenAuthenticator) {}

  authenticate({ headers, upgradeProtocol }: Credentials): Promise<Authenticated> | undefined {
    if (upgradeProtocol?.toLowerCase() !== 'websocket') return undefined
    const token = protocolToken(headers)
    return token === undefined ? undefined : this.verify(token)
  }

  private async verify(token: string): Promise<Authenticated> {
    const user = await this.tokens.authenticateToken(token)
    if (user === undefined) throw new InvalidCredential('invalid bearer token')
    return { user: withAuthenticatedGroup(user), passage: 'forwarded' }
  }
}

/** @throws InvalidCredential */
function protocolToken(headers: ClientHeaders): string | undefined {
  let encoded: string | undefined
  let others = 0
  for (const value of headers.values(HEADER)) {
    for (const part of value.split(',')) {
      const protocol = part.trim()
      if (!protocol.startsWith(PREFIX)) others++
      else if (encoded !== undefined) throw new InvalidCredential('more than one bearer token subprotocol')
      else encoded = protocol.slice(PREFIX.length)
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

/** The value of a Sec-WebSocket-Protocol header without the tokens in it; undefined where nothing else is left. */
export function withoutBearerProtocol(value: string): string | undefined {
  if (!value.includes(PREFIX)) return value
  const others = value.split(',').filter((protocol) => !protocol.trim().startsWith(PREFIX))
  return others.length === 0 ? undefined : others.join(',').trim()
}
