import { createHash } from 'node:crypto'
import { InvalidCredential, type Authenticator, type PresentedCredentials } from './authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import type { ClientCertificates, VerifiedCertificate } from './client-certificate.js'
import { CREDENTIAL_ID } from './credential-id.js'
import { withAuthenticatedGroup } from './groups.js'

/**
 * Client certificates: CN is the user, O are the groups, and there may be a UID
 * (k8s.io/apiserver/pkg/authentication/request/x509 CommonNameUserConversion).
 */
export class X509Authenticator implements Authenticator {
  readonly #identities = new WeakMap<VerifiedCertificate, Authenticated | InvalidCredential>()

  readonly #certificates: ClientCertificates
  readonly #credentialID: boolean

  /**
   * @param certificates those of --client-ca-file
   * @param credentialID whether users have the extra that names their certificate
   */
  constructor(certificates: ClientCertificates, credentialID: boolean) {
    this.#certificates = certificates
    this.#credentialID = credentialID
  }

  authenticate({ socket }: PresentedCredentials): Authenticated | undefined {
    const certificate = this.#certificates.verify(socket)
    if (certificate === undefined) return undefined
    let identity = this.#identities.get(certificate)
    if (identity === undefined)
      this.#identities.set(certificate, (identity = identify(certificate, this.#credentialID)))
    if (identity instanceof InvalidCredential) throw identity
    return identity
  }
}

function identify(
  { subject, leaf }: VerifiedCertificate,
  credentialID: boolean,
): Authenticated | InvalidCredential {
  const { commonName, organizations, uids } = subject
  // kube-apiserver has no opinion of it, which its authorities of front proxies then turn into 401: it never is anonymous.
  if (commonName === '') return new InvalidCredential('client certificate: has no common name')
  const [uid] = uids
  if (uids.length > 1) return new InvalidCredential('client certificate: has more than one UID')
  if (uid === '') return new InvalidCredential('client certificate: has an empty UID')
  const id = () => `X509SHA256=${createHash('sha256').update(leaf.raw).digest('hex')}`
  const user = withAuthenticatedGroup({
    username: commonName,
    ...(uid === undefined ? {} : { uid }),
    groups: organizations,
    ...(credentialID ? { extra: { [CREDENTIAL_ID]: [id()] } } : {}),
  })
  return { user, passage: 'asserted' }
}
