import { X509Certificate } from 'node:crypto'
import t from 'tap'
import {
  readCertificate,
  usageProblem,
  type CertificateFields,
} from '../../src/authentication/certificate.js'
import { InvalidDER } from '../../src/authentication/der.js'
import { PKI, type Issued } from '../support/pki.js'

const CLIENT = '1.3.6.1.5.5.7.3.2'
const SERVER = '1.3.6.1.5.5.7.3.1'

await t.test('what a certificate says', (t) => {
  const pki = new PKI(t.testdir())
  const ca = pki.ca('ca')
  const fields = ({ cert }: Issued) => readCertificate(new X509Certificate(cert).raw)
  t.strictSame(
    fields(pki.issue(ca, { name: 'u', cn: 'zoë/x', o: ['b', 'a'], uids: ['1', '2'], usage: 'client' })),
    {
      subject: { commonName: 'zoë/x', organizations: ['b', 'a'], uids: ['1', '2'] },
      authority: false,
      pathLength: undefined,
      maySign: false,
      extendedKeyUsages: [CLIENT],
      unknownCritical: undefined,
    },
  )
  t.match(fields(ca), { authority: true, maySign: true, pathLength: undefined, extendedKeyUsages: undefined })
  const extended = (name: string, ...extensions: string[]) =>
    fields(pki.issue(ca, { name, cn: name, usage: 'none' }, extensions))
  t.match(extended('path', 'basicConstraints=critical,CA:TRUE,pathlen:1'), {
    authority: true,
    pathLength: 1,
    maySign: true,
  })
  t.match(extended('strange', '1.2.3.4=critical,ASN1:NULL', '1.2.3.5=critical,ASN1:NULL'), {
    unknownCritical: '1.2.3.4',
  })
  t.match(extended('harmless', '1.2.3.4=ASN1:NULL', 'certificatePolicies=critical,1.2.3'), {
    unknownCritical: undefined,
  })
  t.match(fields(pki.issue(ca, { name: 'nameless', cn: '' })).subject, { commonName: '' })
  const { raw } = new X509Certificate(ca.cert)
  t.throws(() => readCertificate(raw.subarray(0, 90)), InvalidDER)
  t.end()
})

await t.test('which chains make a client', (t) => {
  const leaf: CertificateFields = {
    subject: { commonName: 'a', organizations: [], uids: [] },
    authority: false,
    pathLength: undefined,
    maySign: false,
    extendedKeyUsages: [CLIENT],
    unknownCritical: undefined,
  }
  const ca: CertificateFields = { ...leaf, authority: true, maySign: true, extendedKeyUsages: undefined }
  const good: CertificateFields[][] = [
    [leaf],
    [leaf, ca],
    [leaf, ca, ca],
    [{ ...leaf, extendedKeyUsages: [SERVER, CLIENT] }, ca],
    [{ ...leaf, extendedKeyUsages: ['2.5.29.37.0'] }, ca],
    [
      { ...leaf, extendedKeyUsages: undefined },
      { ...ca, extendedKeyUsages: [CLIENT] },
    ],
    [leaf, { ...ca, pathLength: 0 }],
    [leaf, ca, { ...ca, pathLength: 1 }],
  ]
  for (const chain of good) t.equal(usageProblem(chain), undefined)
  const bad: [CertificateFields[], RegExp][] = [
    [[{ ...leaf, extendedKeyUsages: [SERVER] }, ca], /not for clients/],
    [[{ ...leaf, extendedKeyUsages: [] }, ca], /not for clients/],
    [[leaf, { ...ca, extendedKeyUsages: [SERVER] }], /not for clients/],
    [[leaf, ca, { ...ca, extendedKeyUsages: [SERVER] }], /not for clients/],
    [[leaf, leaf, ca], /no authority/],
    [[leaf, { ...ca, maySign: false }], /no authority/],
    [[leaf, ca, { ...ca, pathLength: 0 }], /too many/],
    [[{ ...leaf, unknownCritical: '1.2' }, ca], /critical extension 1\.2/],
    [[leaf, { ...ca, unknownCritical: '1.2' }], /critical extension 1\.2/],
  ]
  for (const [chain, problem] of bad) t.match(usageProblem(chain), problem)
  t.end()
})
