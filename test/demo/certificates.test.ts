import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import * as tls from 'node:tls'
import t from 'tap'
import { CertificateAuthority } from '../../demo/certificates.js'

void t.test('certificates say what was asked for', async (t) => {
  const ca = new CertificateAuthority('demo-ca')
  const root = new X509Certificate(ca.cert)
  t.equal(root.subject, 'CN=demo-ca')
  t.equal(root.ca, true)
  t.ok(root.verify(root.publicKey), 'signed by itself')

  const server = new X509Certificate(
    ca.issue({ commonName: 'server', usage: 'server', hosts: ['localhost', '127.0.0.1', '::1', 'fd00::1:2'] })
      .cert,
  )
  t.ok(server.verify(root.publicKey))
  t.ok(server.checkIssued(root))
  t.notOk(server.ca)
  t.equal(
    server.subjectAltName,
    'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:FD00:0:0:0:0:0:1:2',
  )
  t.same(server.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  t.ok(new Date(server.validFrom).getTime() <= Date.now() && Date.now() < new Date(server.validTo).getTime())

  const pair = ca.issue({ commonName: 'alice', organizations: ['dev', 'ops'], usage: 'client' })
  const client = new X509Certificate(pair.cert)
  t.equal(client.subject, 'O=dev\nO=ops\nCN=alice')
  t.same(client.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  t.match(pair.key, /^-----BEGIN PRIVATE KEY-----/)
  t.not(client.serialNumber, server.serialNumber)

  const other = new CertificateAuthority('demo-ca')
  t.notOk(client.verify(new X509Certificate(other.cert).publicKey), 'another authority of the same name')
})

void t.test('TLS accepts them for their own purpose only', async (t) => {
  const ca = new CertificateAuthority('demo-ca')
  const alice = ca.issue({ commonName: 'alice', usage: 'client' })
  const pair = ca.issue({ commonName: 'server', usage: 'server', hosts: ['127.0.0.1'] })

  const handshake = async (server: { cert: string; key: string }, client: { cert: string; key: string }) => {
    const listener = tls.createServer({
      ...server,
      ca: ca.cert,
      requestCert: true,
      rejectUnauthorized: false,
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    const socket = tls.connect({ port, host: '127.0.0.1', ca: ca.cert, ...client })
    try {
      const [[peer]] = (await Promise.all([
        once(listener, 'secureConnection'),
        once(socket, 'secureConnect'),
      ])) as [[tls.TLSSocket], unknown]
      return peer.authorized
    } finally {
      socket.destroy()
      listener.close()
    }
  }

  t.equal(await handshake(pair, alice), true)
  t.equal(await handshake(pair, pair), false, 'a server certificate is no client certificate')
  await t.rejects(handshake(alice, alice), 'a client certificate is no server certificate')
})
