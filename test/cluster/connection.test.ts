import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer, type Server } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import type { Dispatcher } from 'undici'
import type { CertificateKeyPair, ClusterConnection } from '../../src/kubeconfig/connection.js'
import { NO_CREDENTIALS } from '../../src/kubeconfig/credentials.js'
import { newClusterDial, newClusterPool } from '../../src/cluster/connection.js'
import { PKI } from '../support/pki.js'

const pki = new PKI(t.testdir())
const ca = pki.ca('ca')
const otherCA = pki.ca('other-ca')
const serving = pki.issue(ca, {
  name: 'serving',
  cn: 's',
  dns: ['localhost', 'kubernetes'],
  ip: ['127.0.0.1'],
})
const alice = pki.issue(ca, { name: 'alice', cn: 'alice', usage: 'client' })
const bob = pki.issue(ca, { name: 'bob', cn: 'bob', usage: 'client' })

/** Answers with the client certificate's CN, the asked server name, the Host header, and how many connections there were. */
async function startServer(t: Test): Promise<{ server: Server; port: number }> {
  let connections = 0
  const server = createServer(
    { key: serving.key, cert: serving.cert, ca: ca.cert, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket & { servername?: string | false }
      const cn = socket.getPeerCertificate().subject?.CN ?? null
      const { url } = request
      response.end(
        JSON.stringify({ cn, sni: socket.servername, host: request.headers.host, url, connections }),
      )
    },
  )
  server.on('secureConnection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

function connectionTo(server: string, fields: Partial<ClusterConnection> = {}): ClusterConnection {
  const tls = { ca: ca.cert, rejectUnauthorized: true }
  return { server: new URL(server), tls, credentials: NO_CREDENTIALS, source: 'test', files: [], ...fields }
}

function certificate(current: () => CertificateKeyPair, version: () => number = () => 0) {
  return {
    ...NO_CREDENTIALS,
    get certificateVersion() {
      return version()
    },
    clientCertificate: () => Promise.resolve(current()),
  }
}

async function get(pool: Dispatcher, connection: ClusterConnection, headers: Record<string, string> = {}) {
  const { origin } = connection.server
  const { body } = await pool.request({ origin, path: '/api?x=%20', method: 'GET', headers })
  return (await body.json()) as {
    cn: string | null
    sni: string | false
    host: string
    url: string
    connections: number
  }
}

function newPool(
  t: Test,
  connection: ClusterConnection,
  withCredentials: boolean,
  connections?: number,
): Dispatcher {
  const pool = newClusterPool(connection, { withCredentials, connections })
  t.teardown(() => pool.destroy())
  return pool
}

void t.test('a client certificate is shown only by a pool that has credentials', async (t) => {
  const { port } = await startServer(t)
  const connection = connectionTo(`https://127.0.0.1:${port}`, { credentials: certificate(() => alice) })
  t.match(await get(newPool(t, connection, true), connection), { cn: 'alice', sni: false, url: '/api?x=%20' })
  const bare = newPool(t, connection, false)
  t.match(await get(bare, connection), { cn: null })
  t.match(await get(bare, connection), { cn: null }, 'not when TLS resumes a session either')
})

void t.test(
  'the Host header of a request changes neither the name that is verified nor the connection',
  async (t) => {
    const { port } = await startServer(t)
    const connection = connectionTo(`https://localhost:${port}`)
    const pool = newPool(t, connection, false, 1)
    const first = await get(pool, connection, { host: 'evil.example.com' })
    t.match(first, { sni: 'localhost', host: 'evil.example.com', connections: 1 })
    t.match(await get(pool, connection, { host: 'other.example.com' }), { sni: 'localhost', connections: 1 })
  },
)

void t.test('the server is verified', async (t) => {
  const { port } = await startServer(t)
  const at = `https://127.0.0.1:${port}`
  const tls = (fields: Partial<ClusterConnection['tls']>) => ({
    tls: { ca: ca.cert, rejectUnauthorized: true, ...fields },
  })
  const refused: [string, Partial<ClusterConnection>, string][] = [
    [at, tls({ ca: otherCA.cert }), 'SELF_SIGNED_CERT_IN_CHAIN'],
    [at, tls({ ca: undefined }), 'SELF_SIGNED_CERT_IN_CHAIN'],
    [at, tls({ servername: 'wrong.example.com' }), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [at, tls({ servername: '10.0.0.1' }), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ]
  for (const [server, fields, code] of refused) {
    const connection = connectionTo(server, fields)
    await t.rejects(
      get(newPool(t, connection, false), connection),
      { code },
      JSON.stringify(fields.tls?.servername),
    )
  }
  const accepted: [string, Partial<ClusterConnection>, string | false][] = [
    [at, tls({ servername: 'kubernetes' }), 'kubernetes'],
    [`https://localhost:${port}`, tls({ servername: '127.0.0.1' }), false],
    [at, tls({ ca: undefined, rejectUnauthorized: false }), false],
  ]
  for (const [server, fields, sni] of accepted) {
    const connection = connectionTo(server, fields)
    t.match(await get(newPool(t, connection, false), connection), { sni })
  }
})

void t.test(
  'a replaced certificate is shown by new connections; a request under way ends on the old one',
  async (t) => {
    const { server, port } = await startServer(t)
    let current = alice
    let version = 0
    const credentials = certificate(
      () => current,
      () => version,
    )
    const connection = connectionTo(`https://127.0.0.1:${port}`, { credentials })
    const pool = newPool(t, connection, true, 1)
    t.match(await get(pool, connection), { cn: 'alice', connections: 1 })

    // The first of these waits for its answer while the certificate is replaced.
    const requests = once(server, 'request')
    const underWay = get(pool, connection)
    await requests
    current = bob
    version++
    t.match(await get(pool, connection), { cn: 'bob', connections: 2 })
    t.match(await underWay, { cn: 'alice' })
    t.match(await get(pool, connection), { cn: 'bob', connections: 2 })
  },
)

void t.test('credentials that fail fail the request, not the process', async (t) => {
  const { port } = await startServer(t)
  const credentials = {
    ...NO_CREDENTIALS,
    clientCertificate: () => Promise.reject(new Error('plugin: no session')),
  }
  const connection = connectionTo(`https://127.0.0.1:${port}`, { credentials })
  await t.rejects(get(newPool(t, connection, true), connection), { message: 'plugin: no session' })
  t.match(await get(newPool(t, connection, false), connection), { cn: null })
})

async function startProxy(t: Test, secure: boolean): Promise<{ url: URL; seen: string[] }> {
  const seen: string[] = []
  const server: HttpServer = secure
    ? createServer({ key: serving.key, cert: serving.cert })
    : createHttpServer()
  server.on('request', (request, response) => {
    const { host, a, 'proxy-authorization': authorization } = request.headers
    seen.push(`${request.url} ${authorization ?? '-'}`)
    response.end(JSON.stringify({ host, a }))
  })
  server.on('connect', (request, socket, head) => {
    seen.push(`${request.url} ${request.headers['proxy-authorization'] ?? '-'}`)
    if (request.url?.startsWith('denied')) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const [host, port] = (request.url ?? '').split(':')
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { url: new URL(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`), seen }
}

void t.test('through a forward proxy, on http and on https', async (t) => {
  const { port } = await startServer(t)
  for (const secure of [false, true]) {
    const { url, seen } = await startProxy(t, secure)
    url.username = 'user'
    url.password = 'p%40ss'
    const credentials = certificate(() => alice)
    const connection = connectionTo(`https://127.0.0.1:${port}`, { credentials, proxyUrl: url })
    t.match(await get(newPool(t, connection, true), connection), { cn: 'alice' })
    t.match(await get(newPool(t, connection, false), connection), { cn: null })
    const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
    t.same(seen, Array(2).fill(`127.0.0.1:${port} ${authorization}`))

    const denied = connectionTo('https://denied.example.com', { proxyUrl: url })
    await t.rejects(get(newPool(t, denied, false), denied), {
      message: `proxy ${url.host}: CONNECT denied.example.com:443 was answered with status 403`,
    })
  }
})

void t.test('to a server on http through a forward proxy, on http and on https', async (t) => {
  for (const secure of [false, true]) {
    const { url, seen } = await startProxy(t, secure)
    url.username = 'user'
    const connection = connectionTo('http://k.example.com/base', { proxyUrl: url })
    const pool = newPool(t, connection, true)
    const origin = connection.server.origin
    const headers: Dispatcher.RequestOptions['headers'][] = [
      { a: '1', 'Proxy-Authorization': 'mine' },
      ['a', '1', 'proxy-authorization', 'mine'],
      new Map([['a', '1']]),
      null,
    ]
    for (const each of headers) {
      const { statusCode, body } = await pool.request({
        origin,
        path: '/base/x?y=/',
        method: 'GET',
        headers: each,
      })
      t.equal(statusCode, 200)
      t.same(await body.json(), { host: 'k.example.com', ...(each !== null && { a: '1' }) })
    }
    const authorization = `Basic ${Buffer.from('user:').toString('base64')}`
    t.same(seen, Array(4).fill(`http://k.example.com/base/x?y=/ ${authorization}`))
  }
})

void t.test('a single connection, for upgrades', async (t) => {
  const { port } = await startServer(t)
  const connection = connectionTo(`https://127.0.0.1:${port}`, { credentials: certificate(() => alice) })
  for (const withCredentials of [true, false]) {
    const socket = await newClusterDial(connection, { withCredentials })()
    socket.write('GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    const text = (await socket.setEncoding('utf8').toArray()).join('')
    t.match(text, withCredentials ? '"cn":"alice"' : '"cn":null')
  }
})

void t.test('a server that does not answer is given up', async (t) => {
  const silent = createHttpServer()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const connection = connectionTo(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  silent.removeAllListeners('connection')
  await t.rejects(newClusterDial(connection, { withCredentials: false, connectTimeout: 500 })(), {
    code: 'UND_ERR_CONNECT_TIMEOUT',
  })
})
