import t from 'tap'
import { encodeEventListBody } from '../../../src/audit/backend/webhook/webhook-body.js'
import { newEventEncoder, EVENT_VERSIONS, type EventVersion } from '../../../src/audit/encode.js'
import { auditEvent, auditEvents, eventList } from '../../support/webhook.js'

const lines = (from: number, to: number, version: EventVersion): Buffer[] =>
  auditEvents(from, to).map((event) => Buffer.from(newEventEncoder(version)(event)))

void t.test('an EventList for each version', async (t) => {
  for (const version of EVENT_VERSIONS) {
    for (const count of [1, 3]) {
      const { chunks, length, events } = encodeEventListBody(lines(0, count, version))
      const text = Buffer.concat(chunks).toString()
      t.equal(text, eventList(auditEvents(0, count), version))
      t.equal(length, Buffer.byteLength(text))
      t.equal(events, count)
      const list = JSON.parse(text) as { items: object[] }
      t.strictSame(Object.keys(list), ['kind', 'apiVersion', 'metadata', 'items'])
      t.match(list, { kind: 'EventList', apiVersion: version, metadata: {} })
      t.equal(list.items.length, count)
      for (const item of list.items) t.notOk('kind' in item || 'apiVersion' in item)
    }
  }
})

void t.test('ends where the version changes', async (t) => {
  const [v1, v1beta1] = EVENT_VERSIONS
  const spooled = [...lines(0, 2, v1beta1), ...lines(2, 5, v1)]
  const first = encodeEventListBody(spooled)
  t.equal(first.events, 2)
  t.equal(Buffer.concat(first.chunks).toString(), eventList(auditEvents(0, 2), v1beta1))
  const second = encodeEventListBody(spooled.slice(2))
  t.equal(Buffer.concat(second.chunks).toString(), eventList(auditEvents(2, 5), v1))
  t.throws(() => encodeEventListBody([]), /needs an event/)
})

void t.test('is written in chunks of a bounded size, which may end inside of a character', async (t) => {
  const events = Array.from({ length: 5 }, (_, i) =>
    auditEvent(i, { requestObject: JSON.stringify({ data: 'é'.repeat(100_001 + i) }) }),
  )
  const { chunks, length } = encodeEventListBody(
    events.map((event) => Buffer.from(newEventEncoder('audit.k8s.io/v1')(event))),
  )
  t.ok(chunks.length > 2)
  t.ok(chunks.every((chunk) => chunk.length <= 256 * 1024))
  t.equal(Buffer.concat(chunks).toString(), eventList(events))
  t.equal(
    chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    length,
  )
})
