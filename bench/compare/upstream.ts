// The stand-in apiserver of a comparison, in a process of its own: answers every GET with the same object.
// usage: node upstream.js CERT KEY BYTES. Prints its port.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'

const [cert, key, bytes] = process.argv.slice(2) as [string, string, string]
const filler = 'x'.repeat(Math.max(0, Number(bytes) - 130))
const body = Buffer.from(
  JSON.stringify({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name: 'bench', namespace: 'default', resourceVersion: '1' },
    data: { filler },
  }),
)
const server = createServer(
  {
    cert: readFileSync(cert),
    key: readFileSync(key),
    requestCert: true,
    rejectUnauthorized: false,
    keepAliveTimeout: 120_000,
  },
  (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    res.end(body)
  },
)
server.listen(0, '127.0.0.1', 4096, () => console.log((server.address() as AddressInfo).port))
