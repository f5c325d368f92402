// What more workers bring: small GETs at level Metadata through 1 and through N workers, one after the other and again, the
// load and the upstream in processes of their own. Requests per second depend on the cores that those two leave. With SHARE
// (Linux, root) one worker has that part of a core, and N workers with the primary N times as much, so that a machine with
// few cores has room for the load: 0.3 stands for cores of less than a third of the speed.
// usage: node build/bench/workers.js [WORKERS] [SECONDS] [CONNECTIONS] [ROUNDS] [MODE] [SHARE]
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PKI } from '../test/support/pki.js'
import { ProxyProcess } from '../test/support/proxy-process.js'
import { CPUShare } from './cpu-share.js'
import type { LoadResult } from './compare/load.js'
import { childrenOf, script, startScript, usage } from './compare/process.js'

const [many = '2', seconds = '5', connections = '32', rounds = '3', mode = 'batch', share = '1'] =
  process.argv.slice(2)

interface Round {
  readonly workers: number
  readonly perSecond: number
  /** Microseconds of CPU for a request: of the process that has the log, and of all others together. */
  readonly primary: number
  readonly serving: number
  readonly errors: number
}

const dir = mkdtempSync(join(tmpdir(), 'kube-audit-proxy-bench-'))
const pki = new PKI(join(dir, 'pki'))
const ca = pki.ca('ca')
const serving = pki.issue(ca, { name: 'serving', cn: 'localhost', ip: ['127.0.0.1'], usage: 'server' })
const client = pki.issue(ca, { name: 'client', cn: 'admin', o: ['system:masters'], usage: 'client' })
const frontProxy = pki.issue(ca, { name: 'front-proxy', cn: 'front-proxy-client', usage: 'client' })
const [upstream, upstreamPort] = await startScript('upstream', [serving.certFile, serving.keyFile, '1600'])
const results: Round[] = []
try {
  for (let round = 0; round < Number(rounds); round++) {
    for (const workers of [1, Number(many)]) results.push(await measure(workers))
  }
} finally {
  upstream.kill()
  rmSync(dir, { recursive: true, force: true })
}
report()

async function measure(workers: number): Promise<Round> {
  const proxy = await startProxy(workers)
  const pid = proxy.child.pid as number
  const cpu =
    Number(share) < 1 ? new CPUShare(`kube-audit-proxy-bench-${pid}`, workers * Number(share)) : undefined
  try {
    const url = `https://127.0.0.1:${proxy.port}/api/v1/namespaces/default/configmaps/bench`
    const args = [url, ca.certFile, client.certFile, client.keyFile, 'h1', connections, seconds]
    const load = fork(script('load'), args)
    await once(load, 'message')
    // Not before: the compiler is at work while it warms up.
    cpu?.add([pid, ...childrenOf(pid)])
    const before = { all: usage(pid).cpu, own: usage(pid, false).cpu }
    const [result] = (await once(load, 'message')) as [LoadResult]
    const all = (usage(pid).cpu - before.all) / result.requests
    const own = (usage(pid, false).cpu - before.own) / result.requests
    return {
      workers,
      perSecond: result.requests / result.seconds,
      primary: workers === 1 ? 0 : own,
      serving: workers === 1 ? all : all - own,
      errors: result.errors,
    }
  } finally {
    await proxy.stop()
    cpu?.remove()
  }
}

function startProxy(workers: number): Promise<ProxyProcess> {
  const kubeconfig = join(dir, 'kubeconfig')
  const cluster = { server: `https://127.0.0.1:${upstreamPort}`, 'certificate-authority': ca.certFile }
  const user = { 'client-certificate': client.certFile, 'client-key': client.keyFile }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
  }
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  const policy = join(dir, 'policy.yaml')
  writeFileSync(policy, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n')
  return ProxyProcess.start([
    ...[`--workers=${workers}`, `--kubeconfig=${kubeconfig}`, `--client-ca-file=${ca.certFile}`],
    ...[`--tls-cert-file=${serving.certFile}`, `--tls-private-key-file=${serving.keyFile}`],
    ...[`--proxy-client-cert-file=${frontProxy.certFile}`, `--proxy-client-key-file=${frontProxy.keyFile}`],
    ...[`--audit-policy-file=${policy}`, `--audit-log-path=${join(dir, 'audit.log')}`],
    ...[`--audit-log-mode=${mode}`, '--audit-log-batch-max-size=1000', '--audit-log-batch-max-wait=1s'],
  ])
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

function report(): void {
  console.log(
    `${connections} connections over HTTP/1.1, ${seconds} s each, mode ${mode}, ${availableParallelism()} cores, ` +
      `${share} of a core for each worker, ` +
      `load average ${loadavg()[0]?.toFixed(1)}, Node.js ${process.version}. Medians of ${rounds} rounds.`,
  )
  const of = (workers: number, field: keyof Round): number =>
    median(results.filter((r) => r.workers === workers).map((r) => r[field]))
  const n = Number(many)
  const rows = [1, n].map((workers) => ({
    workers,
    'requests/s': Math.round(of(workers, 'perSecond')),
    'CPU µs/request, serving': Math.round(of(workers, 'serving')),
    'CPU µs/request, primary': Math.round(of(workers, 'primary')),
    errors: of(workers, 'errors'),
  }))
  console.table(rows)
  const one = of(1, 'serving')
  const apart = of(n, 'serving') / n || NaN
  const together = (of(n, 'serving') + of(n, 'primary')) / n
  console.log(
    `${n} workers: ${(of(n, 'perSecond') / of(1, 'perSecond')).toFixed(2)} times the requests here; by CPU, ` +
      `${(one / together).toFixed(2)} times on ${n} cores in all, ${(one / apart).toFixed(2)} times with one core more.`,
  )
}
