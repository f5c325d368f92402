// What the audit log costs a request in each mode: a small GET at level Metadata, the log on disk.
// usage: node build/bench/modes.js [ROUNDS]
import { closedLoop, Recorder } from './load.js'
import { usage } from './compare/process.js'
import { readAuditLog } from '../test/support/audit-log.js'
import { sendJSON, StandIn } from '../test/support/stand-in.js'

const rounds = Number(process.argv[2] ?? 10)
const SECONDS = 1
const MANY = 16
const MODES = ['none', 'batch', 'blocking', 'blocking-strict']

/** A proxy and what was measured with it. */
interface Subject {
  readonly mode: string
  readonly bench: StandIn
  readonly one: Recorder
  readonly many: Recorder
  cpu: number
}

async function start(mode: string): Promise<Subject> {
  const bench = await StandIn.start({
    upstream: (_req, res) =>
      sendJSON(res, 200, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' } }),
    flags: mode === 'none' ? ['--audit-log-path='] : [`--audit-log-mode=${mode}`, '--audit-log-maxsize=1000'],
  })
  return { mode, bench, one: new Recorder(), many: new Recorder(), cpu: 0 }
}

const subjects = await Promise.all(MODES.map(start))
/** Round by round, so that what else happens on the machine happens to all of them. */
for (let round = -1; round < rounds; round++) {
  for (const subject of subjects) {
    const { bench, one, many } = subject
    const request = { ...bench.as(), path: '/api/v1/namespaces/default/configmaps/x' }
    // The first round loads and compiles code.
    const [forOne, forMany] = round < 0 ? [new Recorder(), new Recorder()] : [one, many]
    await closedLoop(request, { seconds: SECONDS, concurrency: 1 }, forOne)
    const before = usage(bench.proxy.child.pid as number).cpu
    await closedLoop(request, { seconds: SECONDS, concurrency: MANY }, forMany)
    if (round >= 0) subject.cpu += usage(bench.proxy.child.pid as number).cpu - before
  }
}

const base = (subjects[0] as Subject).one.load().p50
const rows = subjects.map(({ mode, one, many, cpu }): [string, object] => {
  const [alone, together] = [one.load(), many.load()]
  return [
    mode,
    {
      'p50 (ms)': alone.p50.toFixed(3),
      'p99 (ms)': alone.p99.toFixed(3),
      'added to p50 (ms)': (alone.p50 - base).toFixed(3),
      [`requests/s, ${MANY} at a time`]: Math.round(together.perSecond),
      [`p50, ${MANY} at a time`]: together.p50.toFixed(2),
      [`p99, ${MANY} at a time`]: together.p99.toFixed(2),
      'CPU (us/request)': Math.round(cpu / together.requests),
      failed: alone.failed + together.failed,
    },
  ]
})
console.table(Object.fromEntries(rows))
for (const { mode, bench } of subjects) {
  await bench.proxy.stop()
  if (mode !== 'none') {
    const events = readAuditLog(bench.auditLog).length
    if (events !== bench.seen.length * 2) {
      console.error(`FAIL: ${mode}: ${bench.seen.length} requests, ${events} events`)
      process.exitCode = 1
    }
  }
  await bench.stop()
}
