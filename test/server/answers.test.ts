import type { OutgoingHttpHeaders } from 'node:http'
import t from 'tap'
import { byAuditID, waitForEvents } from '../support/audit-log.js'
import { StandIn } from '../support/stand-in.js'

const NOT_FOUND = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'pods "p" not found',
  reason: 'NotFound',
  code: 404,
}
const STATUS = { metadata: {}, status: 'Failure', message: NOT_FOUND.message, reason: 'NotFound', code: 404 }
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const TOKEN = `e30.${Buffer.from('{"jti":"d3-b7"}').toString('base64url')}.c2ln`

interface Row {
  readonly what: string
  readonly path: string
  readonly method?: string
  readonly accept?: string
  readonly body?: string
  readonly code: number
  readonly answer: unknown
  readonly headers?: OutgoingHttpHeaders
  /** Of the last event. */
  readonly responseStatus: object
  readonly responseObject?: unknown
  readonly objectRef?: object
  readonly annotations?: object
}

const POD = '/api/v1/namespaces/metadata/pods/p'
const PODS = '/api/v1/namespaces/default/pods'
const ROWS: readonly Row[] = [
  {
    what: 'an error that the client accepts',
    path: `${PODS}/p`,
    accept: `${TABLE},application/json`,
    code: 404,
    answer: NOT_FOUND,
    responseStatus: STATUS,
    responseObject: NOT_FOUND,
  },
  {
    what: 'an error that is written past the audit log, since the client accepts no encoding of it',
    path: `${PODS}/p`,
    accept: TABLE,
    code: 404,
    answer: NOT_FOUND,
    responseStatus: { metadata: {}, code: 404 },
  },
  {
    what: 'the same after the object was decoded',
    path: PODS,
    method: 'POST',
    accept: TABLE,
    body: '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}}',
    code: 409,
    answer: { ...NOT_FOUND, reason: 'AlreadyExists', code: 409 },
    responseStatus: { metadata: {}, code: 409 },
    objectRef: { resource: 'pods', namespace: 'default', name: 'p', apiVersion: 'v1' },
  },
  {
    what: 'discovery',
    path: '/apis/apps',
    code: 200,
    answer: { kind: 'APIGroup', apiVersion: 'v1', name: 'apps' },
    responseStatus: { metadata: {}, code: 200 },
    responseObject: { kind: 'APIGroup', apiVersion: 'v1', name: 'apps' },
  },
  {
    what: 'what is no API object',
    path: '/version',
    code: 200,
    answer: { major: '1', minor: '37' },
    responseStatus: { metadata: {}, code: 200 },
  },
  {
    what: 'a document that is not asked for its kind',
    path: '/openapi/v3/apis/apps/v1',
    code: 200,
    answer: { kind: 'not an object', openapi: '3.0.0' },
    responseStatus: { metadata: {}, code: 200 },
  },
  {
    what: 'a deprecated version',
    path: '/apis/batch/v1beta1/namespaces/default/cronjobs',
    code: 200,
    answer: { kind: 'CronJobList' },
    headers: {
      Warning: [
        '299 - "something else"',
        '299 - "batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob"',
      ],
    },
    responseStatus: { metadata: {}, code: 200 },
    responseObject: { kind: 'CronJobList' },
    annotations: { 'k8s.io/deprecated': 'true', 'k8s.io/removed-release': '1.25' },
  },
  {
    what: 'a deprecated version, watched',
    path: '/api/v1/endpoints?watch=1',
    code: 200,
    answer: {},
    headers: {
      warning: '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"',
    },
    responseStatus: { metadata: {}, code: 200 },
    annotations: { 'k8s.io/deprecated': 'true' },
  },
  {
    what: 'a token that was issued, at level Metadata',
    path: '/api/v1/namespaces/metadata/serviceaccounts/robot/token',
    method: 'POST',
    body: '{}',
    code: 201,
    answer: { kind: 'TokenRequest', spec: {}, status: { token: TOKEN } },
    responseStatus: { metadata: {}, code: 201 },
    annotations: { 'authentication.kubernetes.io/issued-credential-id': 'JTI=d3-b7' },
  },
  {
    what: 'a token elsewhere',
    path: POD,
    code: 201,
    answer: { kind: 'TokenRequest', spec: {}, status: { token: TOKEN } },
    responseStatus: { metadata: {}, code: 201 },
  },
]

await t.test('what an event says of the answer', async (t) => {
  const byID = new Map(ROWS.map((row, i) => [`row-${i}`, row]))
  const standIn = await StandIn.start({
    policy:
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, namespaces: [metadata]}, {level: RequestResponse}]\n',
    upstream: (req, res) => {
      const { code, answer, headers } = byID.get(String(req.headers['audit-id'])) as Row
      res.writeHead(code, { 'content-type': 'application/json', ...headers })
      req.resume().on('end', () => res.end(JSON.stringify(answer)))
    },
  })
  t.teardown(() => standIn.stop())
  for (const [id, { path, method = 'GET', accept = 'application/json', body }] of byID)
    await standIn.ask(path, { method, headers: { accept, 'audit-id': id } }, body)
  const logged = await waitForEvents(standIn.auditLog, (events) => {
    const found = byAuditID(events)
    return [...byID.keys()].every((id) => found.get(id)?.at(-1)?.stage === 'ResponseComplete')
      ? found
      : undefined
  })
  for (const [id, { what, responseStatus, responseObject, objectRef, annotations }] of byID) {
    const event = logged.get(id)?.at(-1)
    t.strictSame(event?.responseStatus, responseStatus, what)
    t.strictSame(event?.responseObject, responseObject, what)
    t.strictSame(event?.annotations, annotations, what)
    if (objectRef !== undefined) t.strictSame(event?.objectRef, objectRef, what)
    t.notOk(JSON.stringify(logged.get(id)).includes(TOKEN), what)
    for (const early of logged.get(id)?.slice(0, -1) ?? []) t.equal(early.annotations, undefined, what)
  }
})

await t.test('a timeout that is no duration', async (t) => {
  const standIn = await StandIn.start({
    policy: 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n',
    upstream: (_req, res) => void res.end(),
  })
  t.teardown(() => standIn.stop())
  const answer = await standIn.ask(`${PODS}?timeout=soon`)
  const message = 'invalid timeout specified in the request URL - time: invalid duration "soon"'
  t.equal(answer.status, 400)
  t.match(JSON.parse(answer.body.toString()), { kind: 'Status', message, reason: 'BadRequest', code: 400 })
  t.equal((await standIn.ask(`${PODS}?watch=1&timeout=soon`)).status, 200, 'a watch has no deadline')
  t.equal((await standIn.ask(`${PODS}?timeout=1m`)).status, 200)
  t.equal(standIn.seen.length, 2)
  const events = await waitForEvents(standIn.auditLog, (events) => (events.length >= 6 ? events : undefined))
  const [refused, ...others] = byAuditID(events).get(String(answer.headers['audit-id'])) ?? []
  t.strictSame(others, [])
  t.match(refused, { stage: 'ResponseStarted', user: {}, responseStatus: { code: 400, message } })
  t.match(refused?.responseObject, { kind: 'Status', message })
  t.equal(refused?.user.username, undefined)
})
