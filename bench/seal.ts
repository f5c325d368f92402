import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { newAuditBackend } from '../src/audit/backend/new-audit-backend.js'
import { DeliveryHealth } from '../src/audit/backend/delivery-health.js'
import { configureBackends } from '../src/audit/backend/registry.js'
import { AuditMetrics } from '../src/audit/metrics.js'
import { SealKey } from '../src/audit/seal/keys.js'
import { verifyLogs } from '../src/audit/seal/verify/verify.js'
import { parseArguments } from '../src/cli/pflag.js'
import { PROXY_FLAGS } from '../src/options.js'
import { newLogger } from '../src/log.js'
import type { Event } from '../src/audit/event.js'

/*
 * What sealing costs: CPU and wall time an event, without a seal, with one, and strict; and how long `verify` takes for a
 * large log. Rounds in turn; medians.
 *
 * node build/bench/seal.js [MEGABYTES]
 */
const MEGABYTES = Number(process.argv[2] ?? 1024)
const EVENTS = 60_000
const CONCURRENCY = 64
const ROUNDS = 5
const never = new AbortController().signal

const directory = mkdtempSync(join(tmpdir(), 'bench-seal-'))
const key = SealKey.generate()
const keyFile = join(directory, 'seal.key')
writeFileSync(keyFile, key.toPEM(), { mode: 0o600 })
process.on('exit', () => rmSync(directory, { recursive: true }))

function event(i: number): Event {
  return {
    level: 'Request',
    auditID: `0a1b2c3d-0000-4000-8000-${String(i).padStart(12, '0')}`,
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/default/pods?limit=500',
    verb: 'list',
    user: { username: 'alice', groups: ['system:authenticated'] },
    sourceIPs: ['192.0.2.1'],
    userAgent: 'kubectl/v1.37.2',
    responseStatus: { code: 200 },
    requestObject: JSON.stringify({ spec: 'x'.repeat(450) }),
    requestReceivedTimestamp: 1_700_000_000_000_000 + i,
    stageTimestamp: 1_700_000_000_000_500 + i,
  }
}

async function write(name: string, events: number, flags: readonly string[]) {
  const path = join(directory, `${name}.log`)
  const argv = [`--audit-log-path=${path}`, '--audit-log-maxsize=0', '--audit-log-mode=blocking', ...flags]
  const backend = await newAuditBackend(configureBackends(parseArguments(argv, PROXY_FLAGS).settings), {
    log: newLogger({ level: 'info', format: 'json' }),
    metrics: new AuditMetrics(new Registry()),
    health: () => new DeliveryHealth(0),
    onReloadable: () => undefined,
    onFileSeal: () => undefined,
  })
  if (backend === undefined) throw new Error('no backend')
  const waits: number[] = []
  const cpu = process.cpuUsage()
  const start = performance.now()
  let next = 0
  const send = async () => {
    while (next < events) {
      const asked = performance.now()
      await backend.processEvents([event(next++)])
      waits.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, send))
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  await backend.shutdown(never)
  return { path, cpu: (user + system) / events, seconds, wait: median(waits) }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number
}

const seal = `--audit-seal-key-file=${keyFile}`
const KINDS: Record<string, string[]> = { none: [], sealed: [seal], strict: [seal, '--audit-seal-strict'] }
const results = new Map<string, Awaited<ReturnType<typeof write>>[]>()
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, flags] of Object.entries(KINDS)) {
    const result = await write(`${name}-${round}`, EVENTS, flags)
    rmSync(result.path)
    // The first one warms up.
    if (round > 0) results.set(name, [...(results.get(name) ?? []), result])
  }
}
for (const [name, all] of results) {
  const cpu = median(all.map((one) => one.cpu)).toFixed(2)
  const wait = median(all.map((one) => one.wait)).toFixed(3)
  const rate = Math.round(EVENTS / median(all.map((one) => one.seconds)))
  console.log(`${name.padEnd(8)} ${cpu} us of CPU an event, ${rate} events/s, median wait ${wait} ms`)
}

const { path } = await write('large', Math.ceil((MEGABYTES * 2 ** 20) / 1000), [seal])
for (let round = 0; round < 3; round++) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const { report } = await verifyLogs({ paths: [path], keys: [key.publicKey] })
  const seconds = ((performance.now() - start) / 1000).toFixed(2)
  const { user, system } = process.cpuUsage(cpu)
  const size = Math.round(statSync(path).size / 2 ** 20)
  console.log(
    `verify   ${size} MiB: ${seconds} s, ${((user + system) / 1e6).toFixed(2)} s of CPU, whole: ${report.whole}`,
  )
}
