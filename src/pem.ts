import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { ConfigError } from './errors.js'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** A certificate chain (the leaf first) and the private key of the leaf. */
export interface KeyPair {
  /** PEM */
  readonly cert: string
  /** PEM */
  readonly key: string
  readonly leaf: X509Certificate
}

/**
 * All certificates of a PEM text; anything around the blocks is skipped, as Go's encoding/pem does.
 *
 * @throws ConfigError where there is none or one is broken
 */
export function parseCertificates(pem: string, where: string): X509Certificate[] {
  const blocks = pem.match(CERTIFICATE) ?? []
  if (blocks.length === 0) {
    throw new ConfigError(`${where}: no certificate found, expected PEM (-----BEGIN CERTIFICATE-----)`)
  }
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block)
    } catch {
      throw new ConfigError(`${where}: certificate ${i + 1} of ${blocks.length} cannot be parsed`)
    }
  })
}

/**
 * Checks that a key belongs to a certificate (crypto/tls X509KeyPair).
 *
 * @throws ConfigError naming the one of the two that is wrong. It never quotes the key.
 */
export function parseKeyPair(cert: string, key: string, certWhere: string, keyWhere: string): KeyPair {
  const leaf = parseCertificates(cert, certWhere)[0] as X509Certificate
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(key)
  } catch {
    const what = key.includes('ENCRYPTED') ? 'the private key is encrypted' : 'no usable private key found'
    throw new ConfigError(`${keyWhere}: ${what}, expected an unencrypted PEM private key`)
  }
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new ConfigError(`${keyWhere}: the private key does not match the certificate of ${certWhere}`)
  }
  return { cert, key, leaf }
}

/** Why a certificate is not valid at `now` (milliseconds), or undefined where it is. */
export function validityProblem(certificate: X509Certificate, now: number): string | undefined {
  if (now > Date.parse(certificate.validTo)) return `the certificate expired on ${certificate.validTo}`
  if (now < Date.parse(certificate.validFrom))
    return `the certificate is not valid before ${certificate.validFrom}`
  return undefined
}
