// http-proxy as it comes, TLS on both sides: what a Node.js proxy costs that does nothing else.
// usage: node plain-http-proxy.js CERT KEY CA UPSTREAM_URL. Prints its port.
import { readFileSync } from 'node:fs'
import { Agent, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'http-proxy'

const [cert, key, ca, target] = process.argv.slice(2) as [string, string, string, string]
const proxy = createProxyServer({
  target,
  agent: new Agent({ keepAlive: true, ca: readFileSync(ca) }),
})
const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (req, res) =>
  proxy.web(req, res),
)
server.listen(0, '127.0.0.1', 4096, () => console.log((server.address() as AddressInfo).port))
