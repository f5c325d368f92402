import { createHash } from 'node:crypto'
import type { Authenticator, Credentials } from './authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import type { ClientCertificates, VerifiedCertificate } from './client-certificate.js'
import { withAuthenticatedGroup } from './groups.js'

export interface X509Options {
  /** Whether the user's extra names the certificate, as kube-apiserver does since 1.32. */
  readonly credentialID: boolean
}

/**
 * Client certificates: CN is the user, O are the groups (k8s.io/apiserver/pkg/authentication/request/x509
 * CommonNameUserConversion).
 */
export class X509Authenticator implements Authenticator {
  private readonly identities = new WeakMap<
    VerifiedCertificate,
    { authenticated: Authenticated | undefined }
  >()

  /** @param certificates those of --client-ca-file */
  constructor(
    private readonly certificates: ClientCertificates,
    private readonly options: X509Options,
  ) {}

  authenticate({ socket }: Credentials): Authenticated | undefined {
    const certificate = this.certificates.verify(socket)
    if (certificate === undefined) return undefined
    let identity = this.identities.get(certificate)
    if (identity === undefined) {
      identity = { authenticated: this.identify(certificate) }
      this.identities.set(certificate, identity)
    }
    return identity.authenticated
  }

  private identify({ subject, leaf }: VerifiedCertificate): Authenticated | undefined {
    const username = commonName(subject)
    // A certificate without one is no credential.
    if (username === '') return undefined
    const id = createHash('sha256').update(leaf.raw).digest('hex')
    const user = withAuthenticatedGroup({
      username,
      groups: list(subject.O),
      ...(this.options.credentialID
        ? { extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${id}`] } }
        : {}),
    })
    return { user, passage: 'asserted' }
  }
}

/** Go's pkix.Name keeps the last CommonName. Empty where there is none. */
export function commonName(subject: VerifiedCertificate['subject']): string {
  return list(subject?.CN).at(-1) ?? ''
}

function list(value: string | string[] | undefined): string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}
