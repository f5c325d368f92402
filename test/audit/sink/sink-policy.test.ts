import t from 'tap'
import { EnforcedBackend } from '../../../src/audit/backend/enforced.js'
import type { Event, Level, Stage } from '../../../src/audit/event.js'
import type { AuditConfig } from '../../../src/audit/audit-config.js'
import { SinkPolicy } from '../../../src/audit/sink/sink-policy.js'
import { newRequestInfo } from '../../../src/request/request-info.js'
import { parseRequestTarget } from '../../../src/request/request-target.js'
import { auditEvent, never } from '../../support/webhook.js'

const INFO = newRequestInfo('GET', parseRequestTarget('/api/v1/pods'))
const config = (level: Level, omit: Stage[] = []): AuditConfig => ({
  level,
  omitStages: new Set(omit),
  omitManagedFields: true,
})

void t.test('the policy and the sinks together', (t) => {
  const found = config('Metadata', ['RequestReceived', 'ResponseStarted'])
  const policy = new SinkPolicy({ evaluate: () => found })
  t.equal(policy.evaluate(undefined, INFO), found, 'without sinks it is the answer itself')
  policy.setDemands([{ level: 'None', stages: [] }])
  t.equal(policy.evaluate(undefined, INFO), found, 'as with one that asks for nothing')

  policy.setDemands([
    { level: 'Request', stages: ['RequestReceived'] },
    { level: 'Metadata', stages: ['Panic'] },
  ])
  const raised = policy.evaluate(undefined, INFO)
  t.strictSame(raised, {
    level: 'Request',
    omitStages: new Set<Stage>(['ResponseStarted']),
    omitManagedFields: true,
    byPolicy: found,
  })
  t.equal(policy.evaluate(undefined, INFO), raised, 'made once')
  policy.setDemands([])
  t.equal(policy.evaluate(undefined, INFO), found)

  const nothing = config('None')
  const silent = new SinkPolicy({ evaluate: () => nothing })
  silent.setDemands([{ level: 'Metadata', stages: ['ResponseComplete'] }])
  t.strictSame(silent.evaluate(undefined, INFO), {
    level: 'Metadata',
    omitStages: new Set<Stage>(['RequestReceived', 'ResponseStarted', 'Panic']),
    omitManagedFields: true,
    byPolicy: nothing,
  })
  t.end()
})

void t.test('an event is reduced to what a backend is to have', async (t) => {
  const bodies = { requestObject: '{"a":1}', responseObject: '{"b":2}' }
  const table: [made: Level, limits: AuditConfig | undefined, level: Level | undefined, bodies: object][] = [
    ['RequestResponse', undefined, 'RequestResponse', bodies],
    ['RequestResponse', config('RequestResponse'), 'RequestResponse', bodies],
    [
      'RequestResponse',
      config('Request'),
      'Request',
      { requestObject: '{"a":1}', responseObject: undefined },
    ],
    [
      'RequestResponse',
      config('Metadata'),
      'Metadata',
      { requestObject: undefined, responseObject: undefined },
    ],
    ['Metadata', config('RequestResponse'), 'Metadata', bodies],
    ['RequestResponse', config('None'), undefined, {}],
    ['RequestResponse', config('RequestResponse', ['ResponseComplete']), undefined, {}],
  ]
  for (const [made, limits, level, expected] of table) {
    const got: Event[] = []
    const backend = new EnforcedBackend(
      {
        name: 'memory',
        processEvents: (events) => got.push(...events) < 0,
        shutdown: () => Promise.resolve(),
      },
      () => limits,
    )
    const event = auditEvent(1, { level: made, ...bodies })
    const stored = await backend.processEvents([event])
    t.equal(stored, level === undefined, 'what the delegate says, true where it was not asked')
    t.equal(got[0]?.level, level)
    t.match(got[0] ?? {}, expected)
    t.match(event, { level: made, ...bodies }, 'the event itself is as it was')
    await backend.shutdown(never)
  }
})
