import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { parse } from 'yaml'
import type { StartProxy } from '../../demo/demo.js'

/** A proxy that does the least that the demonstration needs of one: it asserts identities, logs, and records a line of a session. */
export const startStandInProxy: StartProxy = async (flags) => {
  const flag = (name: string) => {
    const found = flags.find((f) => f.startsWith(`--${name}=`))
    if (found === undefined) throw new Error(`--${name} is missing`)
    return found.slice(name.length + 3)
  }
  const read = (name: string) => readFileSync(flag(name), 'utf8')
  const { cluster } = parse(read('kubeconfig')).clusters[0]
  const ca = Buffer.from(cluster['certificate-authority-data'] as string, 'base64')
  const frontProxy = new Agent({
    keepAlive: true,
    ca,
    cert: read('proxy-client-cert-file'),
    key: read('proxy-client-key-file'),
  })
  const plain = new Agent({ keepAlive: true, ca })
  const log = openSync(flag('audit-log-path'), 'a', 0o600)

  const forward = (req: IncomingMessage, res: ServerResponse) => {
    const received = new Date()
    const { raw } = (req.socket as TLSSocket).getPeerCertificate() as { raw?: Buffer }
    const subject = raw === undefined ? [] : new X509Certificate(raw).subject.split('\n')
    const of = (type: string) =>
      subject.filter((l) => l.startsWith(`${type}=`)).map((l) => l.slice(type.length + 1))
    const [username] = of('CN')
    const impersonated = req.headers['impersonate-user']
    const write = (stage: string, code: number | undefined) => {
      const event = {
        kind: 'Event',
        apiVersion: 'audit.k8s.io/v1',
        level: 'Metadata',
        auditID: req.headers['audit-id'],
        stage,
        requestURI: req.url,
        verb: req.method?.toLowerCase(),
        user: { username: username ?? 'token' },
        ...(impersonated === undefined ? {} : { impersonatedUser: { username: impersonated } }),
        responseStatus: { code },
        requestReceivedTimestamp: received.toISOString(),
        stageTimestamp: new Date().toISOString(),
      }
      writeSync(log, `${JSON.stringify(event)}\n`)
    }
    const asserted = username === undefined ? {} : { 'x-remote-user': username, 'x-remote-group': of('O') }
    const upstream = request(new URL(req.url ?? '', cluster.server as string), {
      agent: username === undefined ? plain : frontProxy,
      method: req.method,
      headers: { ...req.headers, ...asserted },
    })
    res.once('close', () => {
      write('ResponseComplete', upstreamStatus)
      upstream.destroy()
    })
    let upstreamStatus: number | undefined
    upstream.on('error', () => res.destroy())
    upstream.on('response', (answer) => {
      upstreamStatus = answer.statusCode
      if (req.url?.includes('watch=true')) write('ResponseStarted', upstreamStatus)
      res.writeHead(answer.statusCode ?? 500, answer.headers)
      res.flushHeaders()
      answer.pipe(res)
    })
    req.pipe(upstream)
  }
  const server = createServer(
    {
      cert: read('tls-cert-file'),
      key: read('tls-private-key-file'),
      ca: read('client-ca-file'),
      requestCert: true,
      rejectUnauthorized: false,
    },
    forward,
  )
  server.on('upgrade', (req: IncomingMessage, socket: Duplex) => {
    const auditID = String(req.headers['audit-id'])
    const folder = join(flag('session-recording-path'), '2026/01/31')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, `${auditID}.cast`), '[0,"o","recorded"]\n', { mode: 0o600 })
    const key = `${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
    socket.end(`HTTP/1.1 101 Switching Protocols\r\n${head}`)
    socket.resume()
    const event = {
      auditID,
      stage: 'ResponseComplete',
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
    }
    const times = {
      requestReceivedTimestamp: new Date().toISOString(),
      stageTimestamp: new Date().toISOString(),
    }
    const more = {
      requestURI: req.url,
      verb: 'get',
      user: { username: 'bob' },
      responseStatus: { code: 101 },
    }
    writeSync(log, `${JSON.stringify({ ...event, ...more, ...times })}\n`)
  })
  server.listen(0, flag('bind-address'))
  await once(server, 'listening')
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      frontProxy.destroy()
      plain.destroy()
      closeSync(log)
    },
  }
}
