// Compares, in one run: the upstream alone, nginx as TLS reverse proxy (if installed), plain http-proxy, and this proxy with
// auditing off, at Metadata and at RequestResponse; over HTTP/1.1 and HTTP/2. Prints a table and writes JSON. They take turns,
// several times, and medians count: a machine may be faster in one minute than in the next.
// usage: npm run bench -- [SECONDS] [CONNECTIONS] [BYTES] [RESULT.json] [ROUNDS]
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificate, writeKubeconfigFile } from '../../test/support/kubeconfig.js'
import { PKI } from '../../test/support/pki.js'
import { ProxyProcess } from '../../test/support/proxy-process.js'
import { ended, hasNginx, startNginx } from '../nginx.js'
import type { LoadResult } from './load.js'
import { script, startScript, usage } from './process.js'

const args = process.argv.slice(2)
const [seconds = '5', connections = '32', bytes = '1600', output = 'bench-result.json', rounds = '3'] = args
const PROTOCOLS = ['h1', 'h2'] as const
type Protocol = (typeof PROTOCOLS)[number]

/** Something to send the load to. `pid` undefined: nothing stands between load and upstream. */
interface Target {
  readonly name: string
  readonly port: number
  readonly pid: number | undefined
  readonly protocols: readonly Protocol[]
  stop(): Promise<void> | void
}

interface Row extends LoadResult {
  readonly target: string
  readonly protocol: Protocol
  readonly requestsPerSecond: number
  /** CPU of the proxy's process. */
  readonly microsecondsPerRequest: number | undefined
  /** MiB, at the end. */
  readonly memory: number | undefined
}

const dir = mkdtempSync(join(tmpdir(), 'kube-audit-proxy-bench-'))
const pki = new PKI(join(dir, 'pki'))
const ca = pki.ca('ca')
const serving = pki.issue(ca, {
  name: 'serving',
  cn: 'localhost',
  dns: ['localhost'],
  ip: ['127.0.0.1'],
  usage: 'server',
})
const client = pki.issue(ca, { name: 'client', cn: 'admin', o: ['system:masters'], usage: 'client' })
const frontProxy = pki.issue(ca, { name: 'front-proxy', cn: 'front-proxy-client', usage: 'client' })

const [upstream, upstreamPort] = await startScript('upstream', [serving.certFile, serving.keyFile, bytes])
const upstreamURL = `https://127.0.0.1:${upstreamPort}`
const withNginx = hasNginx()
if (!withNginx) console.log('nginx is not installed: it is left out')
const measured: Row[] = []
const direct = { name: 'upstream alone', port: upstreamPort, pid: undefined, protocols: ['h1'] as const }
const starts = [
  () => ({ ...direct, stop: () => undefined }),
  nginx,
  httpProxy,
  () => ours('None'),
  () => ours('Metadata'),
  () => ours('RequestResponse'),
]
try {
  for (let round = 0; round < Number(rounds); round++) {
    for (const start of starts) {
      // Started anew each time: of a process that idles meanwhile V8 forgets what it has learned.
      const target = await start()
      if (target === undefined) continue
      try {
        await measure(target)
      } finally {
        await target.stop()
      }
    }
  }
} finally {
  upstream.kill()
  rmSync(dir, { recursive: true, force: true })
}
const perRound = measured.slice(0, measured.length / Number(rounds))
report(
  perRound.map(({ target, protocol }) =>
    medianOf(measured.filter((row) => row.target === target && row.protocol === protocol)),
  ),
)

/** One row that has of each number the median. */
function medianOf(same: readonly Row[]): Row {
  const median = <K extends keyof Row>(key: K): Row[K] => {
    const values = same.map((row) => row[key]).sort((a, b) => Number(a) - Number(b))
    return values[Math.floor(values.length / 2)] as Row[K]
  }
  return {
    target: median('target'),
    protocol: median('protocol'),
    requests: median('requests'),
    requestsPerSecond: median('requestsPerSecond'),
    microsecondsPerRequest: median('microsecondsPerRequest'),
    memory: median('memory'),
    seconds: median('seconds'),
    p50: median('p50'),
    p99: median('p99'),
    errors: same.reduce((sum, row) => sum + row.errors, 0),
  }
}

async function measure(target: Target): Promise<void> {
  for (const protocol of target.protocols) {
    const url = `https://127.0.0.1:${target.port}/api/v1/namespaces/default/configmaps/bench`
    const load = fork(script('load'), [
      url,
      ca.certFile,
      client.certFile,
      client.keyFile,
      protocol,
      connections,
      seconds,
    ])
    await once(load, 'message')
    const before = target.pid === undefined ? undefined : usage(target.pid)
    const [result] = (await once(load, 'message')) as [LoadResult]
    const after = target.pid === undefined ? undefined : usage(target.pid)
    measured.push({
      target: target.name,
      protocol,
      ...result,
      requestsPerSecond: result.requests / result.seconds,
      microsecondsPerRequest: before && after && (after.cpu - before.cpu) / result.requests,
      memory: after?.memory,
    })
  }
}

async function nginx(): Promise<Target | undefined> {
  if (!withNginx) return undefined
  const port = 20_000 + (process.pid % 20_000)
  const child = await startNginx(
    dir,
    port,
    `access_log ${dir}/nginx.log combined buffer=64k;
  upstream up { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} ssl http2;
    keepalive_requests 1000000;
    ssl_certificate ${serving.certFile}; ssl_certificate_key ${serving.keyFile};
    ssl_client_certificate ${ca.certFile}; ssl_verify_client optional;
    location / {
      proxy_pass https://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_ssl_certificate ${frontProxy.certFile}; proxy_ssl_certificate_key ${frontProxy.keyFile};
      proxy_ssl_trusted_certificate ${ca.certFile}; proxy_ssl_verify on; proxy_ssl_name localhost;
      proxy_set_header X-Remote-User $ssl_client_s_dn; proxy_buffering off;
    }
  }`,
  )
  return {
    name: 'nginx',
    port,
    pid: child.pid as number,
    protocols: PROTOCOLS,
    stop: () => ended(child, 'SIGQUIT'),
  }
}

async function httpProxy(): Promise<Target> {
  const [child, port] = await startScript('plain-http-proxy', [
    ...[serving.certFile, serving.keyFile, ca.certFile, upstreamURL],
  ])
  return {
    name: 'http-proxy',
    port,
    pid: child.pid as number,
    protocols: ['h1'],
    stop: () => ended(child, 'SIGTERM'),
  }
}

async function ours(level: string): Promise<Target> {
  const kubeconfig = writeKubeconfigFile(
    join(dir, 'kubeconfig'),
    { server: upstreamURL, 'certificate-authority': ca.certFile },
    certificate(client),
  )
  const policy = join(dir, `policy-${level}.yaml`)
  writeFileSync(policy, `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: ${level}}]\n`)
  const proxy = await ProxyProcess.start([
    ...[`--kubeconfig=${kubeconfig}`, `--client-ca-file=${ca.certFile}`],
    ...[`--tls-cert-file=${serving.certFile}`, `--tls-private-key-file=${serving.keyFile}`],
    ...[`--proxy-client-cert-file=${frontProxy.certFile}`, `--proxy-client-key-file=${frontProxy.keyFile}`],
    ...[
      `--audit-policy-file=${policy}`,
      `--audit-log-path=${join(dir, `audit-${level}.log`)}`,
      '--audit-log-mode=batch',
    ],
    ...['--audit-log-batch-max-size=1000', '--audit-log-batch-max-wait=1s', '--audit-log-maxsize=1000'],
  ])
  return {
    name: level === 'None' ? 'kube-audit-proxy, auditing off' : `kube-audit-proxy, ${level}`,
    port: proxy.port,
    pid: proxy.child.pid as number,
    protocols: PROTOCOLS,
    stop: async () => void (await proxy.stop()),
  }
}

function report(rows: readonly Row[]): void {
  const nginxCPU = (protocol: Protocol): number | undefined =>
    rows.find((r) => r.target === 'nginx' && r.protocol === protocol)?.microsecondsPerRequest
  console.log(
    `${connections} connections, medians of ${rounds} rounds of ${seconds} s, an object of ${bytes} bytes, ` +
      `${cpus().length} × ${cpus()[0]?.model}, Node.js ${process.version}`,
  )
  console.table(
    rows.map((r) => {
      const reference = nginxCPU(r.protocol)
      return {
        target: r.target,
        protocol: r.protocol,
        'requests/s': Math.round(r.requestsPerSecond),
        'CPU µs/request': r.microsecondsPerRequest?.toFixed(0) ?? '',
        '× nginx':
          reference && r.microsecondsPerRequest ? (r.microsecondsPerRequest / reference).toFixed(1) : '',
        'p50 ms': r.p50.toFixed(2),
        'p99 ms': r.p99.toFixed(2),
        'memory MiB': r.memory?.toFixed(0) ?? '',
        errors: r.errors,
      }
    }),
  )
  writeFileSync(output, JSON.stringify({ seconds, connections, bytes, node: process.version, rows }, null, 2))
  console.log(`written to ${output}`)
}
