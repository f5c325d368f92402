import t from 'tap'
import { auditIDOf } from '../../src/request/audit-id.js'
import { ClientHeaders } from '../../src/request/client-headers.js'

const of = (value: string) =>
  auditIDOf(ClientHeaders.from(['audit-id', Buffer.from(value).toString('latin1')]))
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

await t.test('Audit-IDs that are kept', (t) => {
  for (const id of ['a', 'x'.repeat(16_384), 'é'.repeat(8192), '😀'.repeat(4096), 'a b'])
    t.strictSame(of(id), { id })
  t.end()
})

await t.test('none', (t) => {
  for (const made of [auditIDOf(ClientHeaders.from([])), of('')]) {
    t.match(made.id, UUID)
    t.equal(made.replaced, undefined)
  }
  t.end()
})

await t.test('Audit-IDs that are replaced', (t) => {
  const replaced: readonly (readonly [string, string])[] = [
    ['x'.repeat(16_385), `16385 bytes that begin with ${'x'.repeat(64)}`],
    ['é'.repeat(8193), `16386 bytes that begin with ${'é'.repeat(64)}`],
    [`x${'😀'.repeat(4096)}`, `16385 bytes that begin with x${'😀'.repeat(31)}`],
  ]
  for (const [given, what] of replaced) {
    const made = of(given)
    t.match(made.id, UUID)
    t.equal(made.replaced, what)
  }
  t.end()
})
