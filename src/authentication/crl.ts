import { verify, type KeyObject, type X509Certificate } from 'node:crypto'
import { ConfigError } from '../errors.js'
import { DERReader, InvalidDER, objectIdentifier, TAG, time, type Element } from './der.js'

const PEM_BLOCK = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g

/** Signature algorithms (RFC 3279, 4055, 5758, 8410), by the hash that node:crypto is told; null where it needs none. */
const HASHES: Readonly<Record<string, string | null>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
  '1.3.101.113': null,
}

/** A certificate revocation list (RFC 5280 section 5). */
export interface RevocationList {
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number
  readonly nextUpdate: number
  /** Serial numbers in hex, as they are encoded. */
  readonly revoked: ReadonlySet<string>
  /** Whether the key signed it. */
  signedBy(key: KeyObject): boolean
}

/**
 * The revocation lists of a PEM text.
 *
 * @param where flag and file, for messages
 * @throws ConfigError where there is none, or one cannot be read whole
 */
export function parseRevocationLists(pem: string, where: string): RevocationList[] {
  const blocks = [...pem.matchAll(PEM_BLOCK)]
  if (blocks.length === 0) {
    throw new ConfigError(
      `${where}: no certificate revocation list found, expected PEM (-----BEGIN X509 CRL-----)`,
    )
  }
  return blocks.map(([, base64], i) => {
    try {
      return parseRevocationList(Buffer.from(base64 as string, 'base64'))
    } catch (err) {
      if (!(err instanceof InvalidDER)) throw err
      throw new ConfigError(`${where}: revocation list ${i + 1} of ${blocks.length} ${err.message}`)
    }
  })
}

function parseRevocationList(der: Buffer): RevocationList {
  const list = new DERReader(der).enter()
  const tbs = list.read(TAG.sequence)
  const algorithm = objectIdentifier(list.enter().read(TAG.objectIdentifier))
  const signature = list.read(TAG.bitString).content.subarray(1)
  const hash = HASHES[algorithm]
  if (hash === undefined) {
    throw new InvalidDER(`is signed with the algorithm ${algorithm}, expected RSA, ECDSA or EdDSA with SHA-2`)
  }

  const fields = new DERReader(tbs.content)
  fields.optional(TAG.integer)
  fields.read(TAG.sequence)
  fields.read(TAG.sequence)
  const thisUpdate = time(fields.read())
  const hasNext = fields.tag === TAG.utcTime || fields.tag === TAG.generalizedTime
  const nextUpdate = hasNext ? time(fields.read()) : Number.MAX_SAFE_INTEGER
  const revoked = new Set<string>()
  const entries = fields.optional(TAG.sequence)
  if (entries !== undefined) {
    for (const reader = new DERReader(entries.content); !reader.done;) {
      const entry = reader.enter()
      revoked.add(entry.read(TAG.integer).content.toString('hex'))
      time(entry.read())
      // A critical extension of an entry says that it is of another authority.
      refuseCritical(entry.optional(TAG.sequence))
    }
  }
  const extensions = fields.optional(0xa0)
  refuseCritical(extensions === undefined ? undefined : new DERReader(extensions.content).read(TAG.sequence))
  return {
    thisUpdate,
    nextUpdate,
    revoked,
    signedBy: (key) => signedBy(hash, tbs.raw, key, signature),
  }
}

function signedBy(hash: string | null, data: Buffer, key: KeyObject, signature: Buffer): boolean {
  try {
    return verify(hash, data, key, signature)
  } catch {
    return false
  }
}

/** A critical extension that is not understood makes a list unusable: delta lists, and lists of a part of the certificates. */
function refuseCritical(extensions: Element | undefined): void {
  if (extensions === undefined) return
  for (const reader = new DERReader(extensions.content); !reader.done;) {
    const extension = reader.enter()
    const id = objectIdentifier(extension.read(TAG.objectIdentifier))
    const critical = extension.optional(TAG.boolean)
    if (critical?.content[0] !== undefined && critical.content[0] !== 0) {
      throw new InvalidDER(`has the critical extension ${id}, expected a complete list of one authority`)
    }
  }
}

/** The serial number of a certificate in hex, as it is encoded. */
export function serialNumber(certificate: X509Certificate): string {
  const tbs = new DERReader(certificate.raw).enter().enter()
  tbs.optional(0xa0)
  return tbs.read(TAG.integer).content.toString('hex')
}
