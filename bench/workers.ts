// What more workers bring: small GETs at level Metadata through 1 and through N workers, in turn. wrk and nginx, as load and
// as upstream, take little CPU; still, they need room. SHARE leaves it on a machine with few cores (Linux, root): one worker
// has that part of a core, and N workers with the primary together N times as much. So with 0.5, two workers and the primary
// have the CPU time of one core on two cores, and the rest is for the load.
// usage: node build/bench/workers.js [WORKERS] [SECONDS] [CONNECTIONS] [ROUNDS] [MODE] [SHARE]
import { execFile, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeKubeconfigFile } from '../test/support/kubeconfig.js'
import { PKI } from '../test/support/pki.js'
import { ProxyProcess } from '../test/support/proxy-process.js'
import { childrenOf, usage } from './compare/process.js'
import { CPUShare } from './cpu-share.js'
import { ended, hasNginx, startNginx } from './nginx.js'

const args = process.argv.slice(2)
const [many = '2', seconds = '5', connections = '64', rounds = '5', mode = 'batch', share = '1'] = args
/** Seconds of load before the measurement, in which the compiler is at work. */
const WARM_UP = 4

interface Round {
  readonly workers: number
  readonly perSecond: number
  /** Microseconds of CPU for a request: of the process that has the log, and of all others together. */
  readonly primary: number
  readonly serving: number
  readonly errors: number
}

if (spawnSync('wrk', ['-v']).error !== undefined || !hasNginx()) {
  console.error('wrk or nginx is not installed: expected both')
  process.exit(2)
}
const dir = mkdtempSync(join(tmpdir(), 'kube-audit-proxy-bench-'))
const pki = new PKI(join(dir, 'pki'))
const ca = pki.ca('ca')
const serving = pki.issue(ca, { name: 'serving', cn: 'localhost', ip: ['127.0.0.1'], usage: 'server' })
const upstreamPort = 20_000 + (process.pid % 20_000)
const upstream = await startUpstream(upstreamPort)
const results: Round[] = []
try {
  for (let round = 0; round < Number(rounds); round++) {
    for (const workers of [1, Number(many)]) results.push(await measure(workers))
  }
} finally {
  await ended(upstream, 'SIGQUIT')
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
    await load(url, WARM_UP)
    cpu?.add([pid, ...childrenOf(pid)])
    const before = { all: usage(pid).cpu, own: usage(pid, false).cpu }
    const { requests, perSecond, errors } = await load(url, Number(seconds))
    const all = (usage(pid).cpu - before.all) / requests
    const own = (usage(pid, false).cpu - before.own) / requests
    return {
      workers,
      perSecond,
      primary: workers === 1 ? 0 : own,
      serving: workers === 1 ? all : all - own,
      errors,
    }
  } finally {
    await proxy.stop()
    cpu?.remove()
  }
}

async function load(
  url: string,
  duration: number,
): Promise<{ requests: number; perSecond: number; errors: number }> {
  const { stdout } = await promisify(execFile)('wrk', ['-t1', `-c${connections}`, `-d${duration}s`, url])
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? 0)
  const failed = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout) ?? []
  return {
    requests: number(/(\d+) requests in/),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    errors:
      number(/Non-2xx or 3xx responses: (\d+)/) + failed.slice(1).reduce((sum, n) => sum + Number(n), 0),
  }
}

/** nginx that answers every request with the same object of 1,600 bytes. */
function startUpstream(port: number): Promise<ChildProcess> {
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'bench' }, data: { filler: '' } }
  object.data.filler = 'x'.repeat(1600 - JSON.stringify(object).length)
  return startNginx(
    dir,
    port,
    `access_log off; keepalive_requests 100000000;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${serving.certFile}; ssl_certificate_key ${serving.keyFile};
    location / { default_type application/json; return 200 '${JSON.stringify(object)}'; }
  }`,
  )
}

function startProxy(workers: number): Promise<ProxyProcess> {
  const cluster = { server: `https://127.0.0.1:${upstreamPort}`, 'certificate-authority': ca.certFile }
  const kubeconfig = writeKubeconfigFile(join(dir, 'kubeconfig'), cluster)
  const policy = join(dir, 'policy.yaml')
  writeFileSync(policy, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n')
  return ProxyProcess.start([
    ...[`--workers=${workers}`, `--kubeconfig=${kubeconfig}`],
    ...[`--tls-cert-file=${serving.certFile}`, `--tls-private-key-file=${serving.keyFile}`],
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
      `${share} of a core for each worker, load average ${loadavg()[0]?.toFixed(1)}, Node.js ${process.version}. ` +
      `Medians of ${rounds} rounds.`,
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
  const together = of(n, 'serving') + of(n, 'primary')
  console.log(
    `${n} workers: ${(of(n, 'perSecond') / of(1, 'perSecond')).toFixed(2)} times the requests; ` +
      `${((n * of(1, 'serving')) / together).toFixed(2)} times by the CPU that a request takes.`,
  )
}
