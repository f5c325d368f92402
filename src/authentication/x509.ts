import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { Authenticated, Authenticator, Credentials } from './authenticator.js'
import { InvalidCredential } from './authenticator.js'
import type { CertificateAuthorities } from './certificate-authorities.js'
import { withAuthenticatedGroup } from './groups.js'

/**
 * Client certificates: CN is the user, O are the groups (k8s.io/apiserver/pkg/authentication/request/x509
 * CommonNameUserConversion). The TLS layer has verified the chain against --client-ca-file, with validity and the
 * clientAuth usage; here the validity is looked at again for each request, as kube-apiserver does, because a connection
 * can outlive its certificate. The chain is verified again when the authorities have changed since.
 */
export class X509Authenticator implements Authenticator {
  private readonly identities = new WeakMap<TLSSocket, CertificateIdentity>()

  /** @param now milliseconds since the epoch */
  constructor(
    private readonly authorities: CertificateAuthorities,
    private readonly now: () => number,
  ) {}

  authenticate({ socket }: Credentials): Authenticated | undefined {
    let identity = this.identities.get(socket)
    if (identity === undefined) {
      identity = readCertificate(socket)
      this.identities.set(socket, identity)
    }
    if (identity.error !== undefined) throw new InvalidCredential(identity.error)
    if (identity.authenticated === undefined) return undefined
    const now = this.now()
    if (now < identity.notBefore) throw new InvalidCredential('client certificate: not yet valid')
    if (now > identity.notAfter) throw new InvalidCredential('client certificate: expired')
    if (identity.generation !== this.authorities.generation) {
      if (!this.authorities.trusts(socket.getPeerCertificate(true), now)) {
        throw new InvalidCredential('client certificate: its authority is no longer trusted')
      }
      identity.generation = this.authorities.generation
    }
    return identity.authenticated
  }
}

interface CertificateIdentity {
  /** Of the authorities that the chain was verified with: 0 by TLS, for it may have been at any time. */
  generation: number
  readonly authenticated?: Authenticated
  readonly error?: string
  /** The window in which the whole chain is valid, in milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
}

const NONE = { generation: 0, notBefore: 0, notAfter: 0 }

function readCertificate(socket: TLSSocket): CertificateIdentity {
  const certificate = socket.getPeerCertificate(true)
  // Node.js answers an empty object where the client sent none.
  if (certificate?.raw === undefined) return { ...NONE }
  if (!socket.authorized) {
    return { ...NONE, error: `client certificate: ${String(socket.authorizationError ?? 'not trusted')}` }
  }
  const subject = certificate.subject as { CN?: string | string[]; O?: string | string[] } | undefined
  const names = list(subject?.CN)
  // Go's pkix.Name keeps the last CommonName. A certificate without one is no credential.
  const username = names.at(-1)
  if (username === undefined || username === '') return { ...NONE }
  const user = withAuthenticatedGroup({ username, groups: list(subject?.O) })
  return { generation: 0, authenticated: { user, passage: 'asserted' }, ...validity(certificate) }
}

function list(value: string | string[] | undefined): string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

function validity(leaf: DetailedPeerCertificate): { notBefore: number; notAfter: number } {
  let notBefore = 0
  let notAfter = Number.MAX_SAFE_INTEGER
  for (let certificate: DetailedPeerCertificate | undefined = leaf; certificate?.raw !== undefined;) {
    notBefore = Math.max(notBefore, Date.parse(certificate.valid_from))
    notAfter = Math.min(notAfter, Date.parse(certificate.valid_to))
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate
    // The root names itself as its issuer.
    certificate = issuer === certificate ? undefined : issuer
  }
  return { notBefore, notAfter }
}
