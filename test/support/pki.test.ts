import { X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import t from 'tap'
import { PKI } from './pki.js'

void t.test('certificates say what was asked for', (t) => {
  const pki = new PKI(t.testdir())
  const ca = pki.ca('cluster-ca')
  const other = pki.ca('other-ca')
  const cert = new X509Certificate(
    pki.issue(ca, {
      name: 'alice',
      cn: 'système/alice',
      o: ['dev', 'system:masters'],
      dns: ['localhost', '*.example.com'],
      ip: ['127.0.0.1', '::1'],
      usage: 'client',
    }).cert,
  )
  t.ok(cert.verify(new X509Certificate(ca.cert).publicKey))
  t.notOk(cert.verify(new X509Certificate(other.cert).publicKey))
  t.equal(cert.subject, 'O=dev\nO=system:masters\nCN=système/alice')
  t.match(
    cert.subjectAltName,
    'DNS:localhost, DNS:*.example.com, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
  )
  t.same(cert.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  t.notOk(cert.ca)
  t.ok(new X509Certificate(ca.cert).ca)
  t.ok(new Date(cert.validFrom) < new Date() && new Date(cert.validTo) > new Date())
  t.end()
})

void t.test('validity in the past, in the future, and no usage', (t) => {
  const pki = new PKI(t.testdir())
  const ca = pki.ca('ca')
  const expired = pki.issue(ca, { name: 'expired', cn: 'e', notAfter: new Date('2020-01-02T03:04:05Z') })
  t.equal(new Date(new X509Certificate(expired.cert).validTo).toISOString(), '2020-01-02T03:04:05.000Z')
  const future = pki.issue(ca, {
    name: 'future',
    cn: 'f',
    notBefore: new Date('2049-01-01T00:00:00Z'),
    usage: 'none',
  })
  const cert = new X509Certificate(future.cert)
  t.ok(new Date(cert.validFrom) > new Date())
  t.equal(cert.keyUsage, undefined)
  t.equal(statSync(future.keyFile).mode & 0o777, 0o600)
  t.end()
})
