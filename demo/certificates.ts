import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import * as der from './der.js'

/** A certificate with its private key, both PEM. The key is a secret: it goes only into files of mode 0600. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** What a certificate says: the subject that Kubernetes reads as user (CN) and groups (O), and what it may be used for. */
export interface CertificateRequest {
  readonly commonName: string
  readonly organizations?: readonly string[]
  readonly usage: 'server' | 'client'
  /** Host names and IP addresses, for a server. */
  readonly hosts?: readonly string[]
}

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const

const MINUTE_MS = 60_000
const LIFETIME_MS = 24 * 60 * MINUTE_MS

/**
 * A certificate authority that lives as long as the process: it keeps its key in memory and signs P-256 certificates
 * that are valid for a day. For trying things out; it checks no request and keeps no list of what it signed.
 */
export class CertificateAuthority {
  /** The authority's own certificate, PEM. */
  readonly cert: string
  readonly #name: Buffer
  readonly #keyId: Buffer
  readonly #privateKey: KeyObject

  constructor(commonName: string) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#name = distinguishedName(commonName, [])
    this.#keyId = keyIdentifier(publicKey)
    this.#privateKey = privateKey
    this.cert = this.#sign(this.#name, publicKey, [
      extension(OID.basicConstraints, der.sequence(der.boolean(true)), true),
      // keyCertSign (5) and cRLSign (6); bits count from the left.
      extension(OID.keyUsage, der.bitString(Buffer.of(0b0000_0110), 1), true),
      extension(OID.subjectKeyIdentifier, der.octetString(this.#keyId)),
    ])
  }

  /** A new key and a certificate for it. */
  issue(request: CertificateRequest): KeyPair {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const purpose = request.usage === 'server' ? OID.serverAuth : OID.clientAuth
    const extensions = [
      extension(OID.basicConstraints, der.sequence(), true),
      // digitalSignature (0)
      extension(OID.keyUsage, der.bitString(Buffer.of(0b1000_0000), 7), true),
      extension(OID.extendedKeyUsage, der.sequence(der.objectIdentifier(purpose))),
      extension(OID.subjectKeyIdentifier, der.octetString(keyIdentifier(publicKey))),
      extension(OID.authorityKeyIdentifier, der.sequence(der.implicit(0, this.#keyId))),
    ]
    if (request.hosts !== undefined && request.hosts.length > 0) {
      extensions.push(extension(OID.subjectAltName, der.sequence(...request.hosts.map(generalName))))
    }
    const name = distinguishedName(request.commonName, request.organizations ?? [])
    return {
      cert: this.#sign(name, publicKey, extensions),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
  }

  /** An X.509 v3 certificate (RFC 5280, section 4.1), PEM. */
  #sign(subject: Buffer, publicKey: KeyObject, extensions: Buffer[]): string {
    const algorithm = der.sequence(der.objectIdentifier(OID.ecdsaWithSha256))
    const now = Date.now()
    const tbsCertificate = der.sequence(
      der.explicit(0, der.integer(Buffer.of(2))),
      der.integer(Buffer.concat([Buffer.of(0x40), randomBytes(15)])),
      algorithm,
      this.#name,
      // A minute back, for a clock that is a little behind.
      der.sequence(der.utcTime(new Date(now - MINUTE_MS)), der.utcTime(new Date(now + LIFETIME_MS))),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      der.explicit(3, der.sequence(...extensions)),
    )
    const signature = sign('sha256', tbsCertificate, { key: this.#privateKey, dsaEncoding: 'der' })
    return pem(der.sequence(tbsCertificate, algorithm, der.bitString(signature)))
  }
}

function distinguishedName(commonName: string, organizations: readonly string[]): Buffer {
  const attribute = (oid: string, value: string) =>
    der.setOf(der.sequence(der.objectIdentifier(oid), der.utf8String(value)))
  return der.sequence(
    ...organizations.map((o) => attribute(OID.organization, o)),
    attribute(OID.commonName, commonName),
  )
}

/** SHA-1 of the key, a name for it and no protection (RFC 5280, section 4.2.1.2). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  const name = der.objectIdentifier(oid)
  return critical
    ? der.sequence(name, der.boolean(true), der.octetString(value))
    : der.sequence(name, der.octetString(value))
}

function generalName(host: string): Buffer {
  if (isIP(host) === 0) return der.implicit(2, Buffer.from(host))
  if (isIP(host) === 4) return der.implicit(7, Buffer.from(host.split('.').map(Number)))
  return der.implicit(7, ipv6Bytes(host))
}

/** The sixteen bytes of an IPv6 address without a zone or an embedded IPv4 address. */
function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)))
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return Buffer.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]))
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
