import { withoutBearerProtocol } from '../request/bearer-protocol.js'
import type { TokenPlace } from '../request/authenticated.js'
import { headerBytes, type ClientHeaders } from '../request/client-headers.js'

export interface UpstreamHeaderOptions {
  readonly auditID: string
  /** The client's address, which X-Forwarded-For is extended by. */
  readonly peer: string
  /** Where the client's own bearer token is that goes along: the one that was verified. All others are removed. */
  readonly keepToken: TokenPlace | undefined
  /** True where Impersonate-* goes to the apiserver for it to authorize. */
  readonly keepImpersonation: boolean
  /** Headers that the proxy adds: the asserted identity, its own Authorization. */
  readonly added: readonly string[]
}

/**
 * The headers of the upstream request: name, value, ... Those of the client in their order and spelling, but for what
 * the proxy answers for itself: the identity, Audit-ID, X-Forwarded-For, Host (the upstream's) and Expect (answered by
 * this server).
 */
export function upstreamHeaders(client: ClientHeaders, options: UpstreamHeaderOptions): string[] {
  const headers: string[] = []
  let forwardedFor = ''
  let authorized = false
  const { raw } = client
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    switch (name.toLowerCase()) {
      case 'host':
      case 'expect':
      case 'audit-id':
        continue
      case 'x-forwarded-for':
        forwardedFor += `${value}, `
        continue
      case 'authorization':
        // The apiserver reads the first one, and the first one is what was verified here.
        if (options.keepToken !== 'authorization' || authorized) continue
        authorized = true
        break
      case 'sec-websocket-protocol': {
        const kept = options.keepToken === 'websocket-protocol' ? value : withoutBearerProtocol(value)
        if (kept !== undefined) headers.push(name, kept)
        continue
      }
      default:
        if (!options.keepImpersonation && isImpersonation(name)) continue
    }
    headers.push(name, value)
  }
  headers.push('Audit-ID', headerBytes(options.auditID), 'X-Forwarded-For', forwardedFor + options.peer)
  for (const header of options.added) headers.push(header)
  return headers
}

function isImpersonation(name: string): boolean {
  return name.length >= 12 && name.slice(0, 12).toLowerCase() === 'impersonate-'
}
