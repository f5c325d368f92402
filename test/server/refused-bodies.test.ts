import t, { type Test } from 'tap'
import { completeEvents, type LoggedEvent } from '../support/audit-log.js'
import { StandIn } from '../support/stand-in.js'

const POLICY =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]\nomitStages: [RequestReceived]\n'
const MAPS = '/api/v1/namespaces/default/configmaps'
const MAP = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m"},"data":{"k":"v"}}'
/** 4 KiB that become a megabyte. */
const BOMB = `kind: ConfigMap\napiVersion: v1\nx: &a ${'y'.repeat(2000)}\ny: [${'*a,'.repeat(500)}*a]\n`
const GROWTH = 'much larger than what was sent, of a request that may have been refused unread'

const status = (code: number, message: string, details: object = { kind: 'configmaps' }) =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message, details })
const CANNOT = 'User "admin" cannot create resource "configmaps" in API group "" in the namespace "default"'

interface Row {
  readonly what: string
  readonly code: number
  /** JSON, or plain text. */
  readonly answer: string
  /** Whether the request's body is in the event. */
  readonly recorded: boolean
}

const ROWS: readonly Row[] = [
  { what: 'authentication', code: 401, answer: status(401, 'Unauthorized'), recorded: false },
  { what: 'authentication, in words of its own', code: 401, answer: 'Unauthorized', recorded: false },
  {
    what: 'authorization',
    code: 403,
    answer: status(403, `configmaps is forbidden: ${CANNOT}: no rule`),
    recorded: false,
  },
  {
    what: 'authorization of a name',
    code: 403,
    answer: status(403, `configmaps "a\\"b" is forbidden: ${CANNOT}`, { kind: 'configmaps', name: 'a"b' }),
    recorded: false,
  },
  {
    what: 'flow control',
    code: 429,
    answer: 'Too many requests, please try again later.\n',
    recorded: false,
  },
  {
    what: 'a quota',
    code: 403,
    answer: status(403, 'configmaps "m" is forbidden: exceeded quota: q', { kind: 'configmaps', name: 'm' }),
    recorded: true,
  },
  {
    what: 'admission of an object with a name like that',
    code: 403,
    answer: status(403, `configmaps "m is forbidden: ${CANNOT.replaceAll('"', '\\"')}" is forbidden: no`, {
      kind: 'configmaps',
      name: `m is forbidden: ${CANNOT}`,
    }),
    recorded: true,
  },
  {
    what: 'a webhook that says so',
    code: 403,
    answer: status(403, `admission webhook "w" denied the request: configmaps is forbidden: ${CANNOT}`),
    recorded: true,
  },
  {
    what: 'a webhook',
    code: 401,
    answer: status(401, 'admission webhook "w" denied the request: Unauthorized'),
    recorded: true,
  },
  {
    what: 'a disruption budget',
    code: 429,
    answer: status(429, "Cannot evict pod as it would violate the pod's disruption budget."),
    recorded: true,
  },
  { what: 'nobody knows what', code: 403, answer: 'Forbidden', recorded: true },
  { what: 'a bad gateway', code: 502, answer: 'Bad gateway', recorded: true },
]

async function start(t: Test, flags: readonly string[] = []) {
  let answer: Row | 'none'
  const standIn = await StandIn.start({
    policy: POLICY,
    flags,
    upstream: (req, res) => {
      req.resume().on('end', () => {
        if (answer === 'none') return void res.destroy()
        const type = answer.answer.startsWith('{') ? 'application/json' : 'text/plain'
        res.writeHead(answer.code, { 'content-type': type }).end(answer.answer)
      })
    },
  })
  t.teardown(() => standIn.stop())
  let next = 0
  return async (row: Row | 'none', body = MAP, headers = {}): Promise<LoggedEvent> => {
    answer = row
    const id = `refused-${next++}`
    await standIn.ask(
      MAPS,
      { method: 'POST', headers: { 'content-type': 'application/json', 'audit-id': id, ...headers } },
      body,
    )
    return (await completeEvents(standIn.auditLog, id)).at(-1) as LoggedEvent
  }
}

await t.test('a body that kube-apiserver has not read is not recorded', async (t) => {
  const send = await start(t)
  const yaml = { 'content-type': 'application/yaml' }
  for (const row of ROWS) {
    const event = await send(row)
    t.equal(event.responseStatus?.code, row.code, row.what)
    t.strictSame(event.requestObject, row.recorded ? JSON.parse(MAP) : undefined, `${row.what}: the object`)
    t.equal(event.annotations, undefined, `${row.what}: nothing is missing`)
    const bomb = await send(row, BOMB, yaml)
    const unclear = !row.answer.startsWith('{')
    t.equal(bomb.requestObject !== undefined, row.recorded && !unclear, `${row.what}: what grows`)
    t.equal(
      bomb.annotations?.['kube-audit-proxy.io/truncated-request-object'],
      row.recorded && unclear ? GROWTH : undefined,
      `${row.what}: and whether the event says so`,
    )
  }
  t.match(await send('none'), { requestObject: JSON.parse(MAP) }, 'an answer that never came')
  t.match((await send('none', BOMB, yaml)).annotations, {
    'kube-audit-proxy.io/truncated-request-object': GROWTH,
  })
  const gzipped = await send(ROWS.find(({ what }) => what === 'a quota') as Row, MAP, {
    'content-encoding': 'gzip',
  })
  t.match(gzipped.requestObject, { kind: 'ConfigMap' }, 'what a request says of its encoding means nothing')
})

await t.test('--audit-refused-bodies', async (t) => {
  const send = await start(t, ['--audit-refused-bodies'])
  for (const row of ROWS) {
    t.strictSame((await send(row)).requestObject, JSON.parse(MAP), row.what)
  }
})
