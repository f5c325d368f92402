import t from 'tap'
import type { Backend } from '../../../src/audit/backend/backend.js'
import { newLineEncoder } from '../../../src/audit/encode.js'
import { EncodingBackend } from '../../../src/audit/backend/encoding.js'
import { PluginProblems } from '../../../src/audit/backend/plugin-problems.js'
import type { Event } from '../../../src/audit/event.js'
import { makeEvent, never, Report } from '../../support/audit.js'

/** A backend of lines that keeps them, and answers what it is told. */
class Lines implements Backend<Buffer> {
  readonly name = 'lines'
  readonly lines: string[] = []
  shutdowns = 0

  readonly #answer: boolean | Promise<boolean>

  constructor(answer: boolean | Promise<boolean>) {
    this.#answer = answer
  }

  processEvents(lines: readonly Buffer[]): boolean | Promise<boolean> {
    this.lines.push(...lines.map(String))
    return this.#answer
  }

  shutdown(): Promise<void> {
    this.shutdowns++
    return Promise.resolve()
  }
}

function setUp(answer: boolean | Promise<boolean>) {
  const report = new Report()
  const lines = new Lines(answer)
  const errors = new PluginProblems('encoding', report.metrics, report.problems)
  return { report, lines, backend: new EncodingBackend(lines, newLineEncoder('audit.k8s.io/v1'), errors) }
}

/** What encoding it fails with, as with a string that is too long. */
const broken: Event = {
  ...makeEvent('broken'),
  get verb(): string {
    throw new RangeError('Invalid string length')
  },
}

void t.test('events go on as lines, in order, and the answer comes back as it is', async (t) => {
  for (const answer of [true, false]) {
    const { backend, lines } = setUp(answer)
    t.equal(backend.name, 'lines')
    t.equal(backend.processEvents([makeEvent('a'), makeEvent('b')]), answer, 'without a promise')
    const ids = lines.lines.map((line) => (JSON.parse(line) as { auditID: string }).auditID)
    t.strictSame(ids, ['a', 'b'])
  }
  const { backend, lines } = setUp(Promise.resolve(true))
  t.equal(await backend.processEvents([makeEvent('a')]), true)
  await backend.shutdown(never)
  t.equal(lines.shutdowns, 1)
})

void t.test('an event that cannot be encoded does not take others with it, and is told of', async (t) => {
  for (const answer of [true, Promise.resolve(true)]) {
    const { backend, lines, report } = setUp(answer)
    t.equal(await backend.processEvents([makeEvent('a'), broken, makeEvent('b')]), false)
    t.equal(lines.lines.length, 2)
    t.equal(await report.value('apiserver_audit_error_total', { plugin: 'encoding' }), 1)
  }
})
