import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { byAuditID, waitForEvents } from '../support/audit-log.js'
import { answerOf, askHttp2, connectHttp2, type Http2Answer } from '../support/http2.js'
import { METRICS_FLAG, ProxyMetrics } from '../support/proxy-metrics.js'
import { sendJSON, StandIn, type Review, type StandInOptions } from '../support/stand-in.js'
import { Watch } from '../support/watch.js'

const PODS = '/api/v1/namespaces/default/pods'
/** More than may be asked and wait at a time: 32 and 256. */
const STRANGERS = 400
const IN_FLIGHT = 32

t.setTimeout(120_000)

interface Held {
  readonly review: Review
  readonly res: ServerResponse
}

/** Reviews of a kind are held until the test lets them go; others are answered at once. */
async function start(t: Test, holds: (review: Review) => boolean, options: Partial<StandInOptions>) {
  const held: Held[] = []
  const watch = new Watch()
  const refuse = ({ review, res }: Held): void =>
    sendJSON(res, 201, { ...review, status: { authenticated: false, allowed: false } })
  let holding = true
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, {}),
    reviews: (_req, res, review) => {
      if (!holds(review)) {
        const user = { username: String(review.spec['token']) }
        sendJSON(res, 201, { ...review, status: { authenticated: true, user, allowed: true } })
      } else if (holding) {
        held.push({ review, res })
        watch.changed()
      } else refuse({ review, res })
    },
    ...options,
    flags: [METRICS_FLAG, ...(options.flags ?? [])],
  })
  t.teardown(() => standIn.stop())
  const release = (): void => {
    holding = false
    held.forEach(refuse)
  }
  return { standIn, held, watch, release, metrics: new ProxyMetrics(standIn.proxy) }
}

function statusOf({ body }: { body: Buffer }): { kind?: string; code?: number; reason?: string } {
  return JSON.parse(body.toString()) as object
}

await t.test('tokens that nobody knows are asked about by turns, and hold up nobody else', async (t) => {
  const { standIn, held, watch, release, metrics } = await start(
    t,
    ({ spec }) => String(spec['token']).startsWith('unknown'),
    { fileFlags: (s) => [`--token-auth-file=${s.file('tokens.csv', 'static,bob,1\n')}`] },
  )
  const bearer = (token: string) => ({
    ...standIn.as('nobody'),
    headers: { authorization: `Bearer ${token}` },
  })
  t.equal((await standIn.ask(PODS, bearer('eve'))).status, 200, 'a user who is remembered from now on')

  const sessions = await Promise.all(
    [1, 2, 3, 4].map(() => connectHttp2({ ...standIn.as('nobody'), localAddress: '127.0.0.1' })),
  )
  t.teardown(() => sessions.forEach((session) => session.destroy()))
  const answers: Http2Answer[] = []
  const all = Array.from({ length: STRANGERS }, async (_, i) => {
    const session = sessions[i % sessions.length]
    if (session === undefined) return
    const headers = { ':path': PODS, authorization: `Bearer unknown-${i}`, 'audit-id': `stranger-${i}` }
    answers.push(await answerOf(session.request(headers)))
    watch.changed()
  })
  await watch.until(() => held.length === IN_FLIGHT && answers.length === STRANGERS - IN_FLIGHT)

  t.equal((await standIn.ask(PODS, bearer('eve'))).status, 200, 'a user in the cache')
  t.equal((await standIn.ask(PODS, bearer('static'))).status, 200, 'a token that is verified here')
  t.equal((await standIn.ask(PODS, standIn.as())).status, 200, 'a client certificate')

  for (const answer of answers) {
    if (answer.status !== 503 || answer.headers['retry-after'] !== '1') {
      t.strictSame([answer.status, answer.headers['retry-after']], [503, '1'])
    }
    t.match(statusOf(answer), { kind: 'Status', code: 503, reason: 'ServiceUnavailable' })
    if (!t.passing()) break
  }
  t.equal(held.length, IN_FLIGHT, 'no more were asked than may be at a time')
  const samples = await metrics.scrape()
  t.equal(samples.get('kube_audit_proxy_reviews_refused_total{kind="unknown-token"}'), answers.length)
  t.equal(samples.get('kube_audit_proxy_reviews_in_flight{kind="unknown-token"}'), IN_FLIGHT)
  t.equal(samples.get('kube_audit_proxy_reviews_waiting{kind="unknown-token"}'), 0)

  release()
  await Promise.all(all)
  t.strictSame(
    answers.slice(-IN_FLIGHT).map(({ status }) => status),
    Array<number>(IN_FLIGHT).fill(401),
  )
  t.equal((await standIn.ask(PODS, bearer('unknown-late'))).status, 401, 'there is room again')
  const events = await waitForEvents(standIn.auditLog, (events) => {
    const found = byAuditID(events)
    const strangers = Array.from({ length: STRANGERS }, (_, i) => found.get(`stranger-${i}`)?.at(-1))
    return strangers.every((event) => event !== undefined) ? strangers : undefined
  })
  const codes = events.map(({ stage, user, responseStatus }) => [stage, user, responseStatus?.code])
  t.equal(codes.filter(([, , code]) => code === 503).length, STRANGERS - IN_FLIGHT, 'each has its event')
  t.ok(codes.every(([stage, user]) => stage === 'ResponseStarted' && JSON.stringify(user) === '{}'))
})

await t.test('one token is asked about once at a time', async (t) => {
  const { standIn, held, watch, release } = await start(
    t,
    ({ spec }) => String(spec['token']).startsWith('unknown'),
    {},
  )
  const session = await connectHttp2(standIn.as('nobody'))
  t.teardown(() => session.destroy())
  const ask = () => askHttp2(session, { ':path': PODS, authorization: 'Bearer unknown' })
  const both = [ask(), ask(), ask()]
  await watch.until(() => held.length === 1)
  release()
  t.strictSame(
    (await Promise.all(both)).map(({ status }) => status),
    [401, 401, 401],
  )
  t.equal(held.length, 1)
})

await t.test('users who impersonate are asked about by turns as well', async (t) => {
  const waiting = 1024
  const { standIn, held, watch, release, metrics } = await start(
    t,
    ({ kind, spec }) => kind === 'SubjectAccessReview' && spec['user'] === 'greedy',
    { identity: 'impersonation', flags: ['--http2-max-streams-per-connection=2000'] },
  )
  const session = await connectHttp2(standIn.as(standIn.client({ name: 'greedy', cn: 'greedy' })))
  t.teardown(() => session.destroy())
  const refused: Http2Answer[] = []
  const count = IN_FLIGHT + waiting + 5
  const all = Array.from({ length: count }, async (_, i) => {
    const headers = { ':path': PODS, 'impersonate-user': `somebody-${i}`, 'audit-id': `greedy-${i}` }
    const answer = await answerOf(session.request(headers))
    if (answer.status === 503) refused.push(answer)
    watch.changed()
  })
  await watch.until(() => held.length === IN_FLIGHT && refused.length >= 5)
  t.match(refused[0]?.headers, { 'retry-after': '1' })
  t.match(statusOf(refused[0] as Http2Answer), { kind: 'Status', code: 503, reason: 'ServiceUnavailable' })
  const own = await standIn.ask(PODS, standIn.as())
  t.equal(own.status, 200, 'who impersonates nobody waits for nobody')
  t.equal(held.length, IN_FLIGHT)
  const samples = await metrics.scrape()
  t.ok((samples.get('kube_audit_proxy_reviews_refused_total{kind="impersonation"}') ?? 0) >= 5)
  release()
  await Promise.all(all)
  const [event] = await waitForEvents(standIn.auditLog, (events) => {
    const found = events.filter(
      ({ responseStatus, stage }) => responseStatus?.code === 503 && stage === 'ResponseComplete',
    )
    return found.length >= refused.length ? found : undefined
  })
  t.match(event?.user, { username: 'greedy' })
  t.equal(event?.impersonatedUser, undefined, 'nobody acted as anybody')
})
