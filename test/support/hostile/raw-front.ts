import { sign } from 'node:crypto'
import { join } from 'node:path'
import { PKI } from '../pki.js'
import { BEARER_PROTOCOL } from '../../../src/request/bearer-protocol.js'
import type { Kitchen } from './attack.js'
import type { Identity, Mode } from './case.js'
import { clientCertificates, Front, type Authorities } from './front.js'
import { RawUpstream, type RawRequest } from './raw-upstream.js'

const AUTHENTICATED = 'system:authenticated'

/** The users of client certificates, whose identity the proxy asserts. */
const ASSERTED: Partial<Record<Identity, readonly [user: string, ...groups: string[]]>> = {
  alice: ['alice', 'dev', 'qa', AUTHENTICATED],
  eve: ['eve', 'dev', AUTHENTICATED],
}

/** Who the user was before, where the proxy impersonates for one who impersonates. */
const ORIGINALLY_EVE = [
  'impersonate-extra-kube-audit-proxy.io%2foriginal-user: eve',
  'impersonate-extra-kube-audit-proxy.io%2foriginal-groups: dev',
  `impersonate-extra-kube-audit-proxy.io%2foriginal-groups: ${AUTHENTICATED}`,
]

/** The proxy in both modes, in front of an upstream that shows the bytes it gets. */
export class RawFronts {
  private constructor(
    readonly upstream: RawUpstream,
    readonly fronts: readonly Front[],
    readonly kitchen: Kitchen,
  ) {}

  static async start(dir: string, modes: readonly Mode[]): Promise<RawFronts> {
    const pki = new PKI(join(dir, 'pki'))
    const ca = pki.ca('ca')
    const frontProxyCA = pki.ca('front-proxy-ca')
    const cn = 'front-proxy-client'
    const authorities: Authorities = {
      pki,
      ca,
      frontProxyClient: pki.issue(frontProxyCA, { name: cn, cn, usage: 'client' }),
    }
    const serving = pki.issue(ca, {
      name: 'upstream',
      cn: 'kube-apiserver',
      ip: ['127.0.0.1'],
      usage: 'server',
    })
    const serviceAccountKey = pki.ca('service-account')
    const kitchen = { robotToken: robotToken(serviceAccountKey.key), serviceAccountKey }
    const users = new Map<unknown, object>([
      ['bobtoken', { username: 'bob', uid: 'uid-bob', groups: ['viewers', AUTHENTICATED] }],
      ['caroltoken', { username: 'carol', uid: 'uid-carol', groups: ['viewers', AUTHENTICATED] }],
      [kitchen.robotToken, { username: 'system:serviceaccount:default:robot', groups: [AUTHENTICATED] }],
    ])
    const upstream = new RawUpstream(serving, [ca.cert, frontProxyCA.cert], (kind, spec) => {
      if (kind === 'SelfSubjectAccessReview') return { allowed: true }
      if (kind === 'SubjectAccessReview') return { allowed: mayImpersonate(spec) }
      const user = users.get(spec['token'])
      return user === undefined ? { authenticated: false } : { authenticated: true, user }
    })
    const port = await upstream.listen()
    const certificates = clientCertificates(authorities)
    const fronts: Front[] = []
    for (const mode of modes) {
      fronts.push(await Front.start(mode, `https://127.0.0.1:${port}`, dir, authorities, certificates))
    }
    return new RawFronts(upstream, fronts, kitchen)
  }

  async stop(): Promise<void> {
    for (const { proxy } of this.fronts) await proxy.stop()
    await this.upstream.close()
  }
}

/** eve may act as mallory, and nobody may do anything else of the kind. */
function mayImpersonate(spec: Record<string, unknown>): boolean {
  const { resource, name } = spec['resourceAttributes'] as { resource?: unknown; name?: unknown }
  return spec['user'] === 'eve' && resource === 'users' && name === 'mallory'
}

function robotToken(key: string): string {
  const now = Math.floor(Date.now() / 1000)
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: 'system:serviceaccount:default:robot', iat: now, nbf: now, exp: now + 3600 }
  const input = `${encode({ alg: 'ES256', kid: 'key' })}.${encode(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/** Everything about a request that could tell the apiserver who asks: as it came, and as it should have come. */
export interface Credentials {
  /** CN of the connection's certificate. */
  readonly peer: string | undefined
  readonly authorization: readonly string[]
  /** X-Remote-* headers, by name in lower case. */
  readonly remote: readonly string[]
  /** Impersonate-* headers likewise, where the proxy makes them. */
  readonly impersonate: readonly string[] | undefined
  /** Headers that should have ended at the proxy. */
  readonly hopByHop: readonly string[]
}

/** Of a certificate that was made for the test. */
const FINGERPRINT = /^X509SHA256=[0-9a-f]{64}$/
const CREDENTIAL_ID = 'extra-authentication.kubernetes.io%2fcredential-id: X509SHA256=...'

const HOP_BY_HOP = /^(te|trailer|upgrade|keep-alive|proxy-.*|http2-settings)$/

export function credentialsOf({ headers, peer }: RawRequest): Credentials {
  const pick = (pattern: RegExp): string[] =>
    headers
      .filter(([name]) => pattern.test(name.toLowerCase()))
      .map(([name, value]) => `${name.toLowerCase()}: ${value.replace(FINGERPRINT, 'X509SHA256=...')}`)
  return {
    peer,
    authorization: pick(/^authorization$/),
    remote: pick(/^x-remote-/),
    impersonate: peer === 'kube-audit-proxy' ? pick(/^impersonate-/) : undefined,
    hopByHop: pick(HOP_BY_HOP),
  }
}

/** The bearer tokens of a request: what Authorization says, and what is among the protocols of a WebSocket. */
export function bearerTokens({ headers }: RawRequest): string[] {
  return headers.flatMap(([name, value]) => {
    if (name.toLowerCase() === 'authorization') return [value.trim().replace(/^bearer +/i, '')]
    if (name.toLowerCase() !== 'sec-websocket-protocol') return []
    return value
      .split(',')
      .map((protocol) => protocol.trim())
      .filter((protocol) => protocol.startsWith(BEARER_PROTOCOL))
      .map((protocol) => Buffer.from(protocol.slice(BEARER_PROTOCOL.length), 'base64url').toString())
  })
}

/** @param token the bearer token of bob, carol and robot */
export function expectedCredentials(by: Identity, mode: Mode, token: string | undefined): Credentials {
  const none = { peer: undefined, authorization: [], remote: [], impersonate: undefined, hopByHop: [] }
  const actor = by === 'eve as mallory' && mode === 'request header' ? 'eve' : by
  const asserted = actor === 'eve as mallory' ? (['mallory', AUTHENTICATED] as const) : ASSERTED[actor]
  if (asserted === undefined) {
    return { ...none, authorization: token === undefined ? [] : [`authorization: ${token}`] }
  }
  const prefix = mode === 'request header' ? 'x-remote-' : 'impersonate-'
  const [user, ...groups] = asserted
  const lines = [
    `${prefix}user: ${user}`,
    ...groups.map((group) => `${prefix}group: ${group}`),
    ...(actor === 'eve as mallory' ? ORIGINALLY_EVE : [prefix + CREDENTIAL_ID]),
  ]
  return mode === 'request header'
    ? { ...none, peer: 'front-proxy-client', remote: lines }
    : { ...none, peer: 'kube-audit-proxy', impersonate: lines }
}
