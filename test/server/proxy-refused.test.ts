import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { askHttp2, connectHttp2 } from '../support/http2.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const PODS = '/api/v1/namespaces/default/pods'
const NOT_IMPERSONATED = 'kube-audit-proxy.io/not-impersonated'
const SELF = 'system:serviceaccount:kube-audit-proxy:kube-audit-proxy'
const EXPLAINED =
  'the apiserver does not let kube-audit-proxy act as user "admin" of the groups "system:masters", "system:authenticated": '

const refusal = (
  user: string,
  rest = 'cannot impersonate resource "groups" in API group "" at the cluster scope',
) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: `groups "system:masters" is forbidden: User "${user}" ${rest}`,
  reason: 'Forbidden',
  details: { name: 'system:masters', kind: 'groups' },
  code: 403,
})
const PRIORITIZED = { 'x-kubernetes-pf-flowschema-uid': '1', 'x-kubernetes-pf-prioritylevel-uid': '2' }
const ORDINARY = {
  ...refusal('admin', 'cannot list resource "pods" in API group "" at the cluster scope'),
  message: 'pods is forbidden: User "admin" cannot list resource "pods" in API group "" at the cluster scope',
  details: { kind: 'pods' },
}

/** What the apiserver answers, by the query. */
function upstream(req: IncomingMessage, res: ServerResponse): void {
  const query = new URL(req.url ?? '', 'https://host').search
  if (query === '?refused' || req.headers['impersonate-user'] === 'carol')
    return sendJSON(res, 403, refusal(SELF))
  if (query === '?chunked') {
    res.writeHead(403, { 'content-type': 'application/json' })
    const text = JSON.stringify(refusal(SELF))
    res.write(text.slice(0, 100))
    res.end(text.slice(100))
    return
  }
  if (query === '?prioritized') return sendJSON(res, 403, refusal(SELF), PRIORITIZED)
  if (query === '?ordinary') return sendJSON(res, 403, ORDINARY)
  if (query === '?huge')
    return sendJSON(res, 403, { ...refusal(SELF), details: { name: 'x'.repeat(200_000) } })
  if (query === '?text') {
    res.writeHead(403, { 'content-type': 'text/plain' }).end('no')
    return
  }
  sendJSON(res, 200, {})
}

await t.test('whom the apiserver does not let the proxy act as is told, and the event says so', async (t) => {
  const standIn = await StandIn.start({ upstream, identity: 'impersonation' })
  t.teardown(() => standIn.stop())
  const ask = async (query: string, headers = {}, method = 'GET') => {
    const auditID = `${method}${query}`
    const { status, body } = await standIn.ask(`${PODS}?${query}`, {
      ...standIn.as(),
      method,
      headers: { 'audit-id': auditID, ...headers },
    })
    const event = await waitForEvents(standIn.auditLog, (all) =>
      byAuditID(all)
        .get(auditID)
        ?.find(({ stage }) => stage === 'ResponseComplete'),
    )
    return { status, text: body.toString(), event }
  }
  const told = ({ annotations }: LoggedEvent) => annotations?.[NOT_IMPERSONATED]

  for (const query of ['refused', 'chunked']) {
    const { status, text, event } = await ask(query)
    t.equal(status, 403, query)
    t.strictSame(JSON.parse(text), { ...refusal(SELF), message: EXPLAINED + refusal(SELF).message })
    t.match(event, {
      user: { username: 'admin' },
      responseStatus: { code: 403, message: EXPLAINED + refusal(SELF).message, reason: 'Forbidden' },
    })
    t.equal(told(event), 'the apiserver did not let the proxy act as the user')
  }

  const other = await ask('other', { 'impersonate-user': 'carol' })
  t.match(JSON.parse(other.text), {
    message: /^the apiserver does not let kube-audit-proxy act as user "carol" of /,
  })
  t.equal(other.event.impersonatedUser, undefined, 'nobody acted as carol')
  t.ok(told(other.event))

  const head = await ask('refused', {}, 'HEAD')
  t.equal(head.status, 403)
  t.ok(told(head.event), 'where there is no body, what comes before priority and fairness is taken for it')

  for (const [query, expected] of [
    ['prioritized', refusal(SELF)],
    ['ordinary', ORDINARY],
  ] as const) {
    const { text, event } = await ask(query)
    t.strictSame(JSON.parse(text), expected, query)
    t.equal(told(event), undefined, query)
  }
  const huge = await ask('huge')
  t.equal(
    huge.text,
    JSON.stringify({ ...refusal(SELF), details: { name: 'x'.repeat(200_000) } }),
    'passes as it came',
  )
  const text = await ask('text')
  t.equal(text.text, 'no')

  const session = await connectHttp2(standIn.as())
  t.teardown(() => session.destroy())
  const http2 = await askHttp2(session, { ':path': `${PODS}?refused` })
  t.match(JSON.parse(http2.body.toString()), { message: EXPLAINED + refusal(SELF).message })
})

await t.test('where the proxy does not impersonate, what the apiserver says passes as it came', async (t) => {
  const standIn = await StandIn.start({ upstream })
  t.teardown(() => standIn.stop())
  const { body } = await standIn.ask(`${PODS}?refused`, { headers: { 'audit-id': 'asserted' } })
  t.equal(body.toString(), JSON.stringify(refusal(SELF)))
  const event = await waitForEvents(standIn.auditLog, (all) =>
    byAuditID(all)
      .get('asserted')
      ?.find(({ stage }) => stage === 'ResponseComplete'),
  )
  t.equal(event.annotations?.[NOT_IMPERSONATED], undefined)
})
