// What a real kube-apiserver made of these requests: the RequestReceived event it logged, or the status with which it
// answered without logging one.
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { ObjectReference } from '../../src/audit/event.js'
import { newRequestInfo, RequestInfoError } from '../../src/request/request-info.js'
import { InvalidRequestTarget, parseRequestTarget } from '../../src/request/request-target.js'
import { sourceIPs } from '../../src/request/source-ips.js'
import { truncateUserAgent } from '../../src/request/user-agent.js'

interface Recorded {
  method: string
  target: string
  headers?: Record<string, string>
  event?: {
    verb: string
    requestURI: string
    objectRef?: ObjectReference
    sourceIPs: string[]
    userAgent?: string
  }
  status?: number
}

const recorded = JSON.parse(
  readFileSync(new URL('../../../test/request/recordings/requests.json', import.meta.url), 'utf8'),
) as Recorded[]

/** Headers are recorded one character per byte, as Node reads them. */
function textOf(header: string | undefined): string | undefined {
  return header && Buffer.from(header, 'latin1').toString('utf8')
}

function observe({ method, target, headers = {} }: Recorded): Recorded['event'] | number {
  try {
    const parsed = parseRequestTarget(target)
    const info = newRequestInfo(method, parsed)
    const { apiGroup, apiVersion, namespace, resource, subresource, name } = info
    const reference = Object.entries({ apiGroup, apiVersion, namespace, resource, subresource, name })
    const userAgent = truncateUserAgent(textOf(headers['user-agent']))
    return {
      verb: info.verb,
      requestURI: parsed.requestURI,
      ...(info.isResourceRequest && { objectRef: Object.fromEntries(reference.filter(([, v]) => v !== '')) }),
      sourceIPs: sourceIPs(headers['x-forwarded-for'], headers['x-real-ip'], '127.0.0.1'),
      ...(userAgent && { userAgent }),
    }
  } catch (err) {
    if (err instanceof InvalidRequestTarget) return 400
    if (err instanceof RequestInfoError) return 500
    throw err
  }
}

void t.test('requests are understood as a real kube-apiserver understood them', async (t) => {
  t.ok(recorded.length > 300)
  for (const row of recorded) {
    t.strictSame(observe(row), row.event ?? row.status, `${row.method} ${row.target.slice(0, 100)}`)
  }
})
