import type { IncomingMessage, ServerResponse } from 'node:http'
import { sinkManifest } from '../../test/support/audit-sink.js'
import { sendJSON, type StandInOptions } from '../../test/support/stand-in.js'

const BODIES = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n'
const SINKS = 100
const WATCH_EVENT = `{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"${'x'.repeat(1500)}"}}}\n`

/** What the proxy is started with where one attack needs it. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  'events for AuditSinks': ['--audit-dynamic-configuration'],
}
/** Those who attack have a certificate where the attack is not a stranger's. */
export const WITH_CERTIFICATE: readonly string[] = [
  'clients that give up',
  'events for AuditSinks',
  'watches that come and go',
]

export function target(attack: string): StandInOptions {
  return { policy: BODIES, upstream: serve, flags: FLAGS[attack] ?? [] }
}

/** An apiserver that lets nobody write, never answers in one namespace, and has many AuditSinks that nobody listens to. */
function serve(req: IncomingMessage, res: ServerResponse): void {
  const url = req.url ?? ''
  req.resume()
  if (url.includes('/namespaces/hangs/')) return
  if (url.includes('auditsinks')) return void serveSinks(url, res)
  if (url.includes('watch=')) {
    res.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => res.write(WATCH_EVENT), 100)
    res.on('close', () => clearInterval(timer))
    return
  }
  const forbidden = req.method === 'POST'
  sendJSON(res, forbidden ? 403 : 200, {
    kind: forbidden ? 'Status' : 'PodList',
    apiVersion: 'v1',
    metadata: {},
  })
}

function serveSinks(url: string, res: ServerResponse): void {
  if (url.includes('watch=')) {
    res.writeHead(200, { 'content-type': 'application/json' })
    res.flushHeaders()
    return
  }
  const items = Array.from(
    { length: SINKS },
    (_, i) => JSON.parse(sinkManifest(`sink-${i}`, 'https://127.0.0.1:1/')) as object,
  )
  sendJSON(res, 200, {
    kind: 'AuditSinkList',
    apiVersion: 'auditregistration.k8s.io/v1alpha1',
    metadata: { resourceVersion: '1' },
    items,
  })
}
