import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate that is for some names. */
export interface NamedCertificate {
  readonly leaf: X509Certificate
  /** From its flag; none: those of the certificate itself. */
  readonly names: readonly string[]
}

/** k8s.io/apimachinery/pkg/util/validation IsDNS1123Subdomain */
const DNS1123_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const MAX_SUBDOMAIN = 253
/** X509Certificate's names in text; one that needs quotes is none that a client could ask for. */
const DNS_NAME = /(?:^|, )DNS:([^",]+)(?=,|$)/g
/** What crypto/x509 and OpenSSL compare with the names of a certificate. */
const HOST_NAME = /^[\w.-]+$/

/**
 * Which certificate is for which client: names and IP addresses of flags before names of certificates, an earlier flag
 * before a later one (k8s.io/apiserver/pkg/server/dynamiccertificates BuildNamedCertificates).
 */
export class ServerNames<C extends NamedCertificate> {
  readonly #byName = new Map<string, C>()
  readonly #fallback: C
  readonly #all: readonly C[]

  /** @param fallback for everyone else: its names count for nothing */
  constructor(fallback: C, named: readonly C[]) {
    this.#fallback = fallback
    this.#all = [fallback, ...named]
    for (const certificate of named) this.#add(certificate, certificate.names)
    for (const certificate of named)
      if (certificate.names.length === 0) this.#add(certificate, certificateNames(certificate.leaf))
  }

  /**
   * For a client that says whom it wants to speak to: who has that name, then who has it with `*` as its first label;
   * then whose certificate is good for it (crypto/tls Config.getCertificate).
   */
  forServerName(serverName: string): C {
    const name = serverName.toLowerCase()
    const named = this.#byName.get(name) ?? this.#byName.get(name.replace(/^[^.]*/, '*'))
    if (named !== undefined) return named
    if (!HOST_NAME.test(name)) return this.#fallback
    return this.#all.find(({ leaf }) => isFor(leaf, name)) ?? this.#fallback
  }

  /**
   * The certificates for clients that came to an IP address and do not say whom they want to speak to
   * (DynamicServingCertificateController.GetConfigForClient).
   */
  get byAddress(): ReadonlyMap<string, C> {
    return new Map([...this.#byName].filter(([name]) => isIP(name) !== 0))
  }

  #add(certificate: C, names: readonly string[]): void {
    for (const name of names) {
      const key = name.toLowerCase()
      if (!this.#byName.has(key)) this.#byName.set(key, certificate)
    }
  }
}

/** The names that a certificate is for where its flag has none (dynamiccertificates getCertificateNames). */
export function certificateNames(leaf: X509Certificate): string[] {
  const { subject } = leaf.toLegacyObject() as { subject?: { CN?: string | string[] } }
  const cn = [subject?.CN ?? []].flat().at(-1) ?? ''
  const dns = [...(leaf.subjectAltName ?? '').matchAll(DNS_NAME)].map((match) => match[1] as string)
  return isDomain(cn) ? [cn, ...dns] : dns
}

function isDomain(name: string): boolean {
  if (name === '*') return true
  const bare = name.replace(/^\*\./, '')
  return isIP(name) === 0 && bare.length <= MAX_SUBDOMAIN && DNS1123_SUBDOMAIN.test(bare)
}

/** crypto/x509 Certificate.VerifyHostname */
function isFor(leaf: X509Certificate, name: string): boolean {
  return leaf.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
}
