import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { Pool, type Dispatcher } from 'undici'
import type { Event } from '../../src/audit/event.js'
import { Captures } from '../../src/audit/capture/body-capture.js'
import { BodyReader } from '../../src/audit/capture/body-reader.js'
import { CaptureBudget } from '../../src/audit/capture/capture-budget.js'
import { newConverters } from '../../src/audit/capture/new-converters.js'
import { Clock } from '../../src/audit/clock.js'
import { LocalIntake } from '../../src/audit/backend/local-intake.js'
import { PolicyEvaluator } from '../../src/audit/policy/evaluate.js'
import { parsePolicy } from '../../src/audit/policy/load.js'
import type { Authenticator } from '../../src/authentication/authenticator.js'
import { X_REMOTE } from '../../src/request/identity-headers.js'
import { Admission } from '../../src/server/admission.js'
import { RequestHandler } from '../../src/server/handler.js'
import { InFlight } from '../../src/server/in-flight.js'
import { RequestHeaderAsserter, Upstream } from '../../src/upstream/upstream.js'
import { memoryLog } from '../support/log.js'

const POLICY = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n'

/** The real handler, in this process, so that its parts can be made to fail. */
async function serve(
  t: { teardown(f: () => unknown): void },
  authenticator: Authenticator,
  dispatcher?: Dispatcher,
) {
  const upstream = createServer((_req, res) => res.end('{}')).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const pool = new Pool(origin)
  const connections = {
    dispatcher: dispatcher ?? pool,
    origin,
    pathPrefix: '',
    dial: () => Promise.reject(new Error('no upgrades here')),
  }
  const events: Event[] = []
  const handler = new RequestHandler({
    identityHeaders: X_REMOTE,
    authenticator,
    policy: new PolicyEvaluator(parsePolicy(POLICY, 'policy.yaml')),
    recorder: {
      intake: new LocalIntake(
        {
          name: 'memory',
          processEvents: (more) => events.push(...more) > 0,
          shutdown: () => Promise.resolve(),
        },
        false,
      ),
      now: (
        (clock) => () =>
          clock.now()
      )(new Clock()),
      observeEvent: () => undefined,
    },
    captures: new Captures({
      maxBodyBytes: 3 << 20,
      budget: new CaptureBudget(256 << 20),
      reader: new BodyReader({ maxBodyBytes: 3 << 20, redactor: undefined, converters: newConverters() }),
      readings: { read: () => ({ done: Promise.resolve('thread'), cancel: () => undefined }) },
      onTruncated: () => undefined,
    }),
    upstream: new Upstream(() => connections, new RequestHeaderAsserter(() => connections)),
    requestTimeout: 60_000,
    impersonation: {
      authorize: (_user, asked) => Promise.resolve(asked),
      expect: (as) => Promise.resolve(as),
    },
    inFlight: new InFlight(),
    sessions: undefined,
    log: memoryLog().log,
    observeLevel: () => undefined,
    admission: new Admission(100, 1),
    observeRejected: () => undefined,
    observeTurnedAway: () => undefined,
  })
  const server = createServer((req, res) => handler.handle(req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await pool.destroy()
    upstream.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, events }
}

const user = { user: { username: 'alice' }, passage: 'asserted' } as const

await t.test('a bug that one request meets', async (t) => {
  const broken: [string, Authenticator, Dispatcher?][] = [
    [
      'while it is authenticated',
      {
        authenticate: ({ headers }) => {
          if (headers.get('x-bug') !== undefined) throw new TypeError('a bug')
          return user
        },
      },
    ],
    [
      'later, in a promise',
      {
        authenticate: async ({ headers }) => {
          await new Promise((resolve) => setImmediate(resolve))
          if (headers.get('x-bug') !== undefined) throw new TypeError('a bug')
          return user
        },
      },
    ],
  ]
  for (const [name, authenticator] of broken) {
    await t.test(name, async (t) => {
      const { url, events } = await serve(t, authenticator)
      const path = `${url}/api/v1/pods`
      const [good, bad, other] = await Promise.all([
        fetch(path),
        fetch(path, { headers: { 'x-bug': 'yes', 'audit-id': 'bug' } }),
        fetch(path),
      ])
      t.equal(bad.status, 500)
      t.match(await bad.json(), { kind: 'Status', reason: 'InternalError', code: 500 })
      t.strictSame([good.status, other.status], [200, 200], 'nobody else notices')
      t.equal((await fetch(path)).status, 200, 'and the next request is served')
      const panic = events.filter((e) => e.auditID === 'bug').at(-1)
      t.match(panic, {
        stage: 'Panic',
        responseStatus: { code: 500, status: 'Failure', reason: 'InternalError', message: /a bug/ },
      })
    })
  }

  await t.test('on its way upstream', async (t) => {
    const throwing = {
      dispatch: () => {
        throw new TypeError('a bug')
      },
    } as unknown as Dispatcher
    const { url, events } = await serve(t, { authenticate: () => user }, throwing)
    const answer = await fetch(`${url}/api/v1/pods`, { headers: { 'audit-id': 'bug' } })
    t.equal(answer.status, 500)
    await answer.text()
    t.strictSame(
      events.map((e) => [e.stage, e.user.username]),
      [
        ['RequestReceived', 'alice'],
        ['Panic', 'alice'],
      ],
    )
  })
})
