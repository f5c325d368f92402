import { DERReader, InvalidDER, objectIdentifier, TAG, type Element } from './der.js'

/** The subject of a client certificate, as far as it makes a user. */
export interface Subject {
  /** Empty where there is none. Of several the last counts, as in Go's pkix.Name. */
  readonly commonName: string
  readonly organizations: readonly string[]
  /** Every value of the attribute that Kubernetes has for a user's UID. */
  readonly uids: readonly string[]
}

/** What of a certificate (RFC 5280) node:crypto does not tell, or not as it is encoded. */
export interface CertificateFields {
  readonly subject: Subject
  /** Whether it may issue others. */
  readonly authority: boolean
  /** How many authorities may stand between it and a leaf; undefined where that is not limited. */
  readonly pathLength: number | undefined
  /** Whether keyCertSign is among its key usages, or it has none to say so. */
  readonly maySign: boolean
  /** Object identifiers; undefined: for everything. */
  readonly extendedKeyUsages: readonly string[] | undefined
  /** The first critical extension that nobody here understands. */
  readonly unknownCritical: string | undefined
}

const COMMON_NAME = '2.5.4.3'
const ORGANIZATION = '2.5.4.10'
/** k8s.io/apimachinery/pkg/apis/asn1 X509UID. */
const KUBERNETES_UID = '1.3.6.1.4.1.57683.2'

const KEY_USAGE = '2.5.29.15'
const BASIC_CONSTRAINTS = '2.5.29.19'
const EXTENDED_KEY_USAGE = '2.5.29.37'
/** The other ones that crypto/x509 or OpenSSL, which verifies names, understands where they are critical. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  '2.5.29.14', // subjectKeyIdentifier
  '2.5.29.17', // subjectAltName
  '2.5.29.30', // nameConstraints
  '2.5.29.31', // cRLDistributionPoints
  '2.5.29.32', // certificatePolicies
  '2.5.29.33', // policyMappings
  '2.5.29.35', // authorityKeyIdentifier
  '2.5.29.36', // policyConstraints
  '2.5.29.54', // inhibitAnyPolicy
  '1.3.6.1.5.5.7.1.1', // authorityInfoAccess
])
/** keyCertSign is the sixth bit (RFC 5280 section 4.2.1.3). */
const KEY_CERT_SIGN = 0x04

/** @throws InvalidDER, for what kube-apiserver would not read either */
export function readCertificate(der: Buffer): CertificateFields {
  const tbs = new DERReader(der).enter().enter()
  const version = tbs.optional(0xa0)
  tbs.read(TAG.integer)
  tbs.read(TAG.sequence)
  tbs.read(TAG.sequence)
  tbs.read(TAG.sequence)
  const subject = readSubject(tbs.enter())
  tbs.read(TAG.sequence)
  // Unique identifiers of version 2.
  tbs.optional(0x81)
  tbs.optional(0x82)
  const extensions = tbs.optional(0xa3)
  const fields = readExtensions(extensions)
  // Before there were extensions, an authority was one because it was trusted; as nobody trusts a sent one for that,
  // such a certificate is the last of its chain.
  return { subject, ...fields, authority: fields.authority || version === undefined }
}

function readSubject(names: DERReader): Subject {
  const organizations: string[] = []
  const uids: string[] = []
  let commonName = ''
  while (!names.done) {
    for (const set = names.enter(TAG.set); !set.done;) {
      const attribute = set.enter()
      const type = objectIdentifier(attribute.read(TAG.objectIdentifier))
      const value = readText(attribute.read())
      if (type === COMMON_NAME) commonName = value
      else if (type === ORGANIZATION) organizations.push(value)
      else if (type === KUBERNETES_UID) uids.push(value)
    }
  }
  return { commonName, organizations, uids }
}

/** The string types that crypto/x509 reads (parser.go parseASN1String). */
function readText({ tag, content }: Element): string {
  switch (tag) {
    case TAG.utf8String:
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
      } catch {
        throw new InvalidDER('has a name that is not UTF-8')
      }
    case TAG.printableString:
      return matching(content, /^[A-Za-z0-9 '()+,\-./:=?*&]*$/)
    case TAG.numericString:
      return matching(content, /^[0-9 ]*$/)
    case TAG.ia5String:
      // eslint-disable-next-line no-control-regex
      return matching(content, /^[\x00-\x7f]*$/)
    case TAG.t61String:
      return content.toString('latin1')
    case TAG.bmpString:
      if (content.length % 2 !== 0) throw new InvalidDER('has a name with half a character')
      return Buffer.from(content).swap16().toString('utf16le').replace(/\0$/, '')
    default:
      throw new InvalidDER(`has a name of the type ${tag}, expected a string`)
  }
}

function matching(content: Buffer, characters: RegExp): string {
  const text = content.toString('latin1')
  if (!characters.test(text)) throw new InvalidDER('has a name with characters that its type does not have')
  return text
}

function readExtensions(extensions: Element | undefined): Omit<CertificateFields, 'subject'> {
  let authority = false
  let pathLength: number | undefined
  let maySign = true
  let extendedKeyUsages: string[] | undefined
  let unknownCritical: string | undefined
  if (extensions !== undefined) {
    for (const reader = new DERReader(extensions.content).enter(); !reader.done;) {
      const extension = reader.enter()
      const id = objectIdentifier(extension.read(TAG.objectIdentifier))
      const critical = extension.optional(TAG.boolean)?.content[0]
      const value = new DERReader(extension.read(TAG.octetString).content)
      if (id === BASIC_CONSTRAINTS) {
        const constraints = value.enter()
        authority = (constraints.optional(TAG.boolean)?.content[0] ?? 0) !== 0
        const length = constraints.optional(TAG.integer)
        pathLength = length === undefined ? undefined : readLength(length)
      } else if (id === KEY_USAGE) {
        const [, bits = 0] = value.read(TAG.bitString).content
        maySign = (bits & KEY_CERT_SIGN) !== 0
      } else if (id === EXTENDED_KEY_USAGE) {
        extendedKeyUsages = []
        for (const usages = value.enter(); !usages.done;) {
          extendedKeyUsages.push(objectIdentifier(usages.read(TAG.objectIdentifier)))
        }
      } else if (critical !== undefined && critical !== 0 && !UNDERSTOOD.has(id)) unknownCritical ??= id
    }
  }
  return { authority, pathLength, maySign, extendedKeyUsages, unknownCritical }
}

/** A chain is never longer than a byte can say. */
function readLength({ content }: Element): number {
  return content.length === 1 ? (content[0] as number) : content.length === 0 ? 0 : Number.MAX_SAFE_INTEGER
}

const ANY_USAGE = '2.5.29.37.0'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/**
 * Why a chain does not make its first certificate a client's, whoever signed it; undefined where it does
 * (crypto/x509 verify.go isValid and checkChainForKeyUsage, with the usage ClientAuth).
 *
 * @param chain from the leaf to the authority that is trusted, or that alone
 */
export function usageProblem(chain: readonly CertificateFields[]): string | undefined {
  for (const [i, one] of chain.entries()) {
    const { extendedKeyUsages: usages, unknownCritical, pathLength } = one
    if (unknownCritical !== undefined) return `the critical extension ${unknownCritical} is not understood`
    if (usages !== undefined && !usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USAGE))
      return 'not for clients'
    if (i === 0) continue
    if (!one.authority || !one.maySign) return 'issued by a certificate that is no authority'
    // Those between this one and the leaf.
    if (pathLength !== undefined && i - 1 > pathLength)
      return 'too many authorities below one that limits them'
  }
  return undefined
}
