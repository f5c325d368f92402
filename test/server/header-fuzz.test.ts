import fc from 'fast-check'
import t from 'tap'
import { byAuditID, readAuditLog } from '../support/audit-log.js'
import { MODES, type Identity } from '../support/hostile/case.js'
import { exchange } from '../support/hostile/connection.js'
import { fuzzedRequest, outcomeOf } from '../support/hostile/header-model.js'
import { credentialsOf, expectedCredentials, RawFronts } from '../support/hostile/raw-front.js'

/** Always the same requests, so that what fails here fails again. */
const SEED = 20_210_120
const RUNS = 400

const USERNAMES: Partial<Record<Identity, string>> = {
  'eve as mallory': 'eve',
  nobody: 'system:anonymous',
}

/** Header sets that nobody thought of: what goes upstream and into the log is what the lines alone say it must be. */
for (const mode of MODES) {
  await t.test(`fuzzed headers, identities by ${mode}`, async (t) => {
    const { upstream, fronts } = await RawFronts.start(t.testdir(), [mode])
    t.teardown(() => upstream.close())
    const [front] = fronts
    if (front === undefined) throw new Error('no proxy')
    t.teardown(() => front.proxy.stop('SIGKILL'))

    /** By Audit-ID, the user that the log must name: '' where there is an event without one, undefined where there is none. */
    const users = new Map<string, string | undefined>()
    const codes = new Map<number, number>()
    const property = fc.asyncProperty(fuzzedRequest, async (request) => {
      const auditID = `fuzz-${users.size}`
      const before = upstream.requests.length
      const head = [
        'GET /api/v1/pods HTTP/1.1',
        'Host: kubernetes',
        `Audit-ID: ${auditID}`,
        'Connection: close',
      ]
      const bytes = [...head, ...request.lines.map(({ text }) => text), '', ''].join('\r\n')
      const answers = await exchange(front.door(request.certificate), bytes, false)

      const outcome = outcomeOf(request, mode)
      codes.set(outcome.code, (codes.get(outcome.code) ?? 0) + 1)
      if ('logged' in outcome) users.set(auditID, outcome.logged ? '' : undefined)
      else users.set(auditID, outcome.by === undefined ? '' : (USERNAMES[outcome.by] ?? outcome.by))
      same(answers, [outcome.code])
      same(
        upstream.requests.slice(before).map(credentialsOf),
        outcome.code === 200 ? [expectedCredentials(outcome.by, mode, outcome.authorization)] : [],
      )
    })
    await fc.assert(property, { seed: SEED, numRuns: RUNS })

    t.strictSame(upstream.faults, [], 'nothing went upstream but plain HTTP')
    for (const code of [200, 400, 401])
      t.ok((codes.get(code) ?? 0) > 5, `${codes.get(code)} are answered ${code}`)
    t.equal(await front.proxy.stop(), 0)
    const logged = byAuditID(readAuditLog(front.auditLog))
    const found = [...users.keys()].map((id) => [id, logged.get(id)?.map((e) => e.user.username ?? '')])
    const expected = [...users].map(([id, user]) => [
      id,
      user === undefined ? undefined : (logged.get(id) ?? ['none']).map(() => user),
    ])
    t.strictSame(found, expected, 'the log names who asked, each time')
  })
}

function same(found: unknown, expected: unknown): void {
  const [a, b] = [found, expected].map((value) => JSON.stringify(value, (_, v: unknown) => v ?? null))
  if (a !== b) throw new Error(`found ${a}, not ${b}`)
}
