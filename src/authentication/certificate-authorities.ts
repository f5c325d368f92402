import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate } from 'node:tls'
import type { Reloadable } from '../live/reloadable.js'
import { parseCertificates, readConfigFile } from '../pem.js'

/** OpenSSL follows as many; a chain that is longer is not followed to its end. */
const MAX_CHAIN = 100

/**
 * The authorities of one file, whose client certificates are accepted. TLS verifies a certificate once, when its
 * connection is made; this verifies it again when the file has changed since, so that the certificates of an authority
 * that was taken out of the file are worth nothing on connections that are still open.
 */
export class CertificateAuthorities implements Reloadable {
  readonly name: string
  readonly #file: string
  #certificates: readonly X509Certificate[]
  #pem: string
  #generation = 0

  /**
   * @param flag that names the file, without its dashes
   * @throws ConfigError
   */
  constructor(file: string, flag: string) {
    this.name = flag
    this.#file = file
    ;({ pem: this.#pem, certificates: this.#certificates } = this.#read())
  }

  /** Grows with each reload. */
  get generation(): number {
    return this.#generation
  }

  /** What TLS is to verify with. */
  get pem(): string {
    return this.#pem
  }

  get certificates(): readonly X509Certificate[] {
    return this.#certificates
  }

  files(): string[] {
    return [this.#file]
  }

  reload(): void {
    ;({ pem: this.#pem, certificates: this.#certificates } = this.#read())
    this.#generation++
  }

  /**
   * Whether a certificate that TLS accepted with an earlier content of the file is still good: each certificate of its
   * chain is signed by the next, up to one that an authority of today has signed.
   */
  trusts(leaf: DetailedPeerCertificate, now: number): boolean {
    let certificate = new X509Certificate(leaf.raw)
    let node = leaf
    for (let depth = 0; depth < MAX_CHAIN; depth++) {
      if (this.#certificates.some((authority) => issued(authority, certificate, now))) return true
      // The root names itself as its issuer.
      if (node.issuerCertificate?.raw === undefined || node.issuerCertificate === node) return false
      node = node.issuerCertificate
      const issuer = new X509Certificate(node.raw)
      if (!issued(issuer, certificate, now)) return false
      certificate = issuer
    }
    return false
  }

  #read(): { pem: string; certificates: X509Certificate[] } {
    const where = `--${this.name}`
    const pem = readConfigFile(this.#file, where)
    return { pem, certificates: parseCertificates(pem, `${where}: ${this.#file}`) }
  }
}

function issued(issuer: X509Certificate, certificate: X509Certificate, now: number): boolean {
  return (
    issuer.ca &&
    now >= Date.parse(issuer.validFrom) &&
    now <= Date.parse(issuer.validTo) &&
    certificate.checkIssued(issuer) &&
    certificate.verify(issuer.publicKey)
  )
}
