import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { ConfigError } from '../errors.js'
import { validityProblem } from '../pem.js'
import { InvalidCredential } from './authenticator.js'
import { readCertificate, usageProblem, type CertificateFields, type Subject } from './certificate.js'
import { serialNumber, type RevocationList } from './crl.js'
import { InvalidDER } from './der.js'

/** Certificates from the client's own to the authority that is trusted. Longer chains are refused. */
const MAX_CHAIN = 10

/** A client certificate that leads to a trusted authority. */
export interface VerifiedCertificate {
  readonly leaf: X509Certificate
  readonly subject: Subject
}

interface Verified extends VerifiedCertificate {
  /** When the certificate and all up to the trusted authority are valid, in milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  /** What says of each that it is not revoked; no authority is in here that has no list. */
  readonly revocations: readonly (readonly RevocationList[])[]
}

/** Authorities whose certificates are accepted, with their revocation lists. */
export interface AuthorityBundle {
  readonly authorities: readonly X509Certificate[]
  /** By authority, in the order above. */
  readonly revocations: readonly (readonly RevocationList[])[]
}

/**
 * Gives each list to the authorities that signed it.
 *
 * @param lists with where each came from, for messages
 * @throws ConfigError where a list is signed by none of the authorities
 */
export function newAuthorityBundle(
  authorities: readonly X509Certificate[],
  lists: readonly RevocationList[],
): AuthorityBundle {
  return {
    authorities,
    revocations: authorities.map((a) => lists.filter((list) => list.signedBy(a.publicKey))),
  }
}

/** @throws ConfigError where a list belongs to no authority of the bundles: whatever it revokes would be accepted */
export function checkRevocationLists(
  lists: readonly RevocationList[],
  bundles: readonly AuthorityBundle[],
  where: string,
): void {
  const used = new Set(bundles.flatMap(({ revocations }) => revocations.flat()))
  const unused = lists.findIndex((list) => !used.has(list))
  if (unused < 0) return
  throw new ConfigError(
    `${where}: revocation list ${unused + 1} of ${lists.length} is signed by none of the authorities of ` +
      '--client-ca-file and --requestheader-client-ca-file; the list of an intermediate authority needs its certificate in there',
  )
}

/** What a client showed when its connection was made. */
interface Shown {
  /** The client's own first. */
  readonly certificates: readonly X509Certificate[]
  /** Why the TLS layer does not trust it; undefined where it does. */
  readonly problem: string | undefined
}

/**
 * The certificates that clients showed, by connection. Each is taken once, so that whatever is said of a connection later
 * is about the certificate whose key the client has proven to have, and that the TLS layer has verified: a connection's
 * own answer would be of its last handshake, and its verdict of the first.
 */
export class ShownCertificates {
  readonly #shown = new WeakMap<TLSSocket, Shown | 'none'>()

  /** Undefined where the client showed none. */
  of(socket: TLSSocket): Shown | undefined {
    let shown = this.#shown.get(socket)
    if (shown === undefined) this.#shown.set(socket, (shown = readShown(socket)))
    return shown === 'none' ? undefined : shown
  }
}

function readShown(socket: TLSSocket): Shown | 'none' {
  const certificate = socket.getPeerCertificate(true)
  // Node.js answers an empty object where the client sent none.
  if (certificate?.raw === undefined) return 'none'
  return {
    certificates: sentCertificates(certificate),
    problem: socket.authorized ? undefined : String(socket.authorizationError ?? 'not trusted'),
  }
}

/**
 * Verifies client certificates against the authorities of one flag. The TLS layer has verified each against those of all
 * flags together (validity, constraints of names); which of them a certificate leads to is found out here, by the
 * signatures, because the order and the names of what a client sends along prove nothing, and that this chain makes it a
 * client's.
 */
export class ClientCertificates {
  readonly #verified = new WeakMap<TLSSocket, { generation: number; result: Verified | Error | undefined }>()
  #generation = 0

  #bundle: AuthorityBundle
  readonly #shown: ShownCertificates
  readonly #now: () => number

  /** @param now milliseconds since the epoch */
  constructor(bundle: AuthorityBundle, shown: ShownCertificates, now: () => number) {
    this.#bundle = bundle
    this.#shown = shown
    this.#now = now
  }

  /** Takes these instead; connections that are open are verified again. */
  replace(bundle: AuthorityBundle): void {
    this.#bundle = bundle
    this.#generation++
  }

  /**
   * The client's certificate; undefined where it showed none.
   *
   * @throws InvalidCredential where it leads to none of the authorities, is not valid now or is revoked
   */
  verify(socket: TLSSocket): VerifiedCertificate | undefined {
    let known = this.#verified.get(socket)
    if (known === undefined || known.generation !== this.#generation) {
      known = { generation: this.#generation, result: this.#read(socket) }
      this.#verified.set(socket, known)
    }
    const { result } = known
    if (result === undefined) return undefined
    if (result instanceof Error) throw result
    // A connection can outlive its certificate and the list that it was found in order by.
    const now = this.#now()
    if (now < result.notBefore) throw new InvalidCredential('client certificate: not yet valid')
    if (now > result.notAfter) throw new InvalidCredential('client certificate: expired')
    // As with OpenSSL, a list that has run out says nothing, so nothing that it was for is accepted.
    if (!result.revocations.every((lists) => lists.some((l) => l.thisUpdate <= now && now <= l.nextUpdate))) {
      throw new InvalidCredential('client certificate: the revocation list of its authority has expired')
    }
    return result
  }

  #read(socket: TLSSocket): Verified | Error | undefined {
    const shown = this.#shown.of(socket)
    if (shown === undefined) return undefined
    if (shown.problem !== undefined) return new InvalidCredential(`client certificate: ${shown.problem}`)
    try {
      return this.#verifyChain(shown.certificates)
    } catch (err) {
      if (err instanceof InvalidDER) return new InvalidCredential(`client certificate: ${err.message}`)
      throw err
    }
  }

  /** @throws InvalidDER */
  #verifyChain([leaf, ...sent]: readonly X509Certificate[]): Verified | Error {
    const { authorities, revocations } = this.#bundle
    const chain = findChain(leaf as X509Certificate, sent, authorities, this.#now())
    if (chain === undefined)
      return new InvalidCredential('client certificate: leads to none of the authorities')
    const fields = chain.toAuthority.map((one) => readCertificate(one.raw))
    const problem = usageProblem(fields)
    if (problem !== undefined) return new InvalidCredential(`client certificate: ${problem}`)

    const lists: (readonly RevocationList[])[] = []
    const issued = [...chain.toAuthority, ...chain.beyond]
    for (let i = 0; i + 1 < issued.length; i++) {
      const ofIssuer = revocations[authorities.indexOf(issued[i + 1] as X509Certificate)] ?? []
      if (ofIssuer.length === 0) continue
      const serial = serialNumber(issued[i] as X509Certificate)
      if (ofIssuer.some((list) => list.revoked.has(serial)))
        return new InvalidCredential('client certificate: revoked')
      lists.push(ofIssuer)
    }
    return {
      leaf: leaf as X509Certificate,
      subject: (fields[0] as CertificateFields).subject,
      notBefore: Math.max(...chain.toAuthority.map((one) => Date.parse(one.validFrom))),
      notAfter: Math.min(...chain.toAuthority.map((one) => Date.parse(one.validTo))),
      revocations: lists,
    }
  }
}

/** The leaf and what was sent with it, as far as Node.js tells. */
function sentCertificates(certificate: DetailedPeerCertificate): X509Certificate[] {
  const certificates: X509Certificate[] = []
  for (let one: DetailedPeerCertificate | undefined = certificate; one?.raw !== undefined;) {
    if (certificates.length === MAX_CHAIN) break
    certificates.push(new X509Certificate(one.raw))
    const issuer: DetailedPeerCertificate | undefined = one.issuerCertificate
    // A root names itself as its issuer.
    one = issuer === one ? undefined : issuer
  }
  return certificates
}

interface Chain {
  /** From the leaf to the authority that is trusted. */
  readonly toAuthority: readonly X509Certificate[]
  /** Other authorities above that one, which may revoke what is below them. */
  readonly beyond: readonly X509Certificate[]
}

function findChain(
  leaf: X509Certificate,
  sent: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  now: number,
): Chain | undefined {
  const listed = authorities.find((authority) => authority.raw.equals(leaf.raw))
  const toAuthority = [listed ?? leaf]
  let trusted = listed
  while (trusted === undefined) {
    const last = toAuthority.at(-1) as X509Certificate
    trusted = issuerOf(last, authorities, toAuthority, now)
    const next =
      trusted ??
      issuerOf(
        last,
        sent.filter((one) => one.ca),
        toAuthority,
        now,
      )
    if (next === undefined || toAuthority.length === MAX_CHAIN) return undefined
    toAuthority.push(next)
  }
  const beyond: X509Certificate[] = []
  for (;;) {
    const above = issuerOf(beyond.at(-1) ?? trusted, authorities, [...toAuthority, ...beyond], now)
    if (above === undefined || beyond.length === MAX_CHAIN) return { toAuthority, beyond }
    beyond.push(above)
  }
}

/** One that signed the certificate. A renewed authority is there twice, with the same key: the one that is valid counts. */
function issuerOf(
  certificate: X509Certificate,
  candidates: readonly X509Certificate[],
  known: readonly X509Certificate[],
  now: number,
): X509Certificate | undefined {
  const issuers = candidates.filter(
    (one) => !known.includes(one) && certificate.checkIssued(one) && certificate.verify(one.publicKey),
  )
  return issuers.find((one) => validityProblem(one, now) === undefined) ?? issuers[0]
}
