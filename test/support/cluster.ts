import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
  mkdtempSync,
} from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { newestApiserver, type Apiserver } from './apiservers.js'
import { certificate, writeKubeconfigFile } from './kubeconfig.js'
import { PKI, type CA, type Issued } from './pki.js'

export interface TestClusterOptions {
  /** The audit policy, as YAML or JSON text. Without it nothing is audited. */
  readonly auditPolicy?: string
  /** Lines of --token-auth-file: token,user,uid,"group1,group2". */
  readonly tokens?: readonly string[]
  /** Further flags for kube-apiserver; pflag lets the last of a repeated flag win. */
  readonly flags?: readonly string[]
  /** The kube-apiserver to run; the one that KUBEBUILDER_ASSETS names where it is left out. */
  readonly apiserver?: Apiserver
}

export interface TestResponse {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: Buffer
}

export interface TestRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

const READY_WITHIN = 60_000
const POLL_EVERY = 100

/**
 * A real etcd and a real kube-apiserver, as controller-runtime's envtest runs them: no kubelet and no controllers. Start
 * it with `await TestCluster.start()` and end it with `stop()`. The processes also end when the test does, however it ends.
 */
export class TestCluster {
  /** Why a test that needs any cluster is skipped, for tap's `skip`; false where it need not be. */
  static skip(): string | false {
    return newestApiserver().skip
  }

  /** Starts both and waits until kube-apiserver says that it is ready. Throws with the end of its log where it does not. */
  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const { dir, skip } = options.apiserver ?? newestApiserver()
    if (skip !== false) throw new Error(`no etcd and kube-apiserver to run: ${skip}`)
    const cluster = new TestCluster(await freePorts(3))
    try {
      await cluster.#start(dir, options)
    } catch (err) {
      const log = existsSync(cluster.logFile) ? readFileSync(cluster.logFile, 'utf8').slice(-4000) : ''
      await cluster.stop()
      throw new Error(`the test cluster did not start: ${String(err)}\n${log}`)
    }
    return cluster
  }

  /** Everything that the cluster writes; removed by stop(). */
  readonly dir = mkdtempSync(join(tmpdir(), 'test-cluster-'))
  readonly pki = new PKI(join(this.dir, 'pki'))
  readonly port: number
  /** https://127.0.0.1:PORT */
  readonly url: string
  /** Issued the serving certificate, and issues client certificates that kube-apiserver accepts. */
  readonly ca: CA = this.pki.ca('ca')
  /** A client certificate of a member of system:masters. */
  readonly admin: Issued = this.pki.issue(this.ca, {
    name: 'admin',
    cn: 'kubernetes-admin',
    o: ['system:masters'],
    usage: 'client',
  })
  /** Issues client certificates whose owner may assert identities in X-Remote-* headers. */
  readonly frontProxyCA: CA = this.pki.ca('front-proxy-ca')
  readonly frontProxyClient: Issued = this.pki.issue(this.frontProxyCA, {
    name: 'front-proxy-client',
    cn: 'front-proxy-client',
    usage: 'client',
  })
  /** Signs service account tokens. Its certificate file serves as the public key. */
  readonly serviceAccountKey: CA = this.pki.ca('service-account')
  readonly serviceAccountIssuer = 'https://kubernetes.default.svc'
  /** A kubeconfig with the admin's certificate. */
  readonly kubeconfigFile = join(this.dir, 'admin.kubeconfig')
  /** kube-apiserver's own audit log; there where start() was given a policy. */
  readonly auditLog = join(this.dir, 'audit.log')
  /** What kube-apiserver printed. */
  readonly logFile = join(this.dir, 'kube-apiserver.log')

  readonly #etcdPorts: readonly [number, number]
  readonly #agent = new https.Agent({ keepAlive: true, maxSockets: 8 })
  readonly #processes: ChildProcess[] = []
  #watchdog: ChildProcess | undefined

  private constructor([port, etcdPort, etcdPeerPort]: readonly number[]) {
    this.port = port as number
    this.#etcdPorts = [etcdPort as number, etcdPeerPort as number]
    this.url = `https://127.0.0.1:${this.port}`
  }

  /** Creates an object as the admin; what kube-apiserver made of it. */
  async create(path: string, object: object): Promise<unknown> {
    const { status, body } = await this.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(object),
    })
    if (status !== 201) throw new Error(`POST ${path}: ${status}: ${body.toString()}`)
    return JSON.parse(body.toString())
  }

  /** Asks kube-apiserver as the admin. */
  async request(
    path: string,
    { method = 'GET', headers = {}, body }: TestRequest = {},
  ): Promise<TestResponse> {
    const req = https.request(`${this.url}${path}`, {
      agent: this.#agent,
      method,
      headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
      ca: this.ca.cert,
      cert: this.admin.cert,
      key: this.admin.key,
    })
    req.end(body)
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of res) chunks.push(chunk as Buffer)
    return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }
  }

  /** Ends both processes and removes everything. */
  async stop(): Promise<void> {
    this.#agent.destroy()
    const exits = this.#processes.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    })
    await Promise.all(exits)
    this.#watchdog?.kill('SIGKILL')
    rmSync(this.dir, { recursive: true, force: true })
  }

  async #start(assets: string, options: TestClusterOptions): Promise<void> {
    const [etcdPort, etcdPeerPort] = this.#etcdPorts
    const [etcdURL, peerURL] = [`http://127.0.0.1:${etcdPort}`, `http://127.0.0.1:${etcdPeerPort}`]
    this.#spawn(
      join(assets, 'etcd'),
      [
        `--data-dir=${join(this.dir, 'etcd')}`,
        `--listen-client-urls=${etcdURL}`,
        `--advertise-client-urls=${etcdURL}`,
        `--listen-peer-urls=${peerURL}`,
        `--initial-advertise-peer-urls=${peerURL}`,
        `--initial-cluster=default=${peerURL}`,
      ],
      join(this.dir, 'etcd.log'),
    )
    this.#spawn(join(assets, 'kube-apiserver'), [...this.#flags(etcdURL, options)], this.logFile)
    this.#watch()
    const cluster = { server: this.url, 'certificate-authority': this.ca.certFile }
    writeKubeconfigFile(this.kubeconfigFile, cluster, certificate(this.admin))
    await this.#ready()
  }

  #flags(etcdURL: string, { auditPolicy, tokens, flags = [] }: TestClusterOptions): string[] {
    const serving = this.pki.issue(this.ca, {
      name: 'serving',
      cn: 'kube-apiserver',
      dns: ['localhost', 'kubernetes.default.svc'],
      ip: ['127.0.0.1'],
      usage: 'server',
    })
    const certificates = join(this.dir, 'kube-apiserver')
    mkdirSync(certificates)
    const all = [
      `--etcd-servers=${etcdURL}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${this.port}`,
      `--cert-dir=${certificates}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      // It runs on a loopback address, which no Service may lead to.
      '--endpoint-reconciler-type=none',
      `--service-account-issuer=${this.serviceAccountIssuer}`,
      `--service-account-signing-key-file=${this.serviceAccountKey.keyFile}`,
      `--service-account-key-file=${this.serviceAccountKey.certFile}`,
      `--api-audiences=${this.serviceAccountIssuer}`,
      `--client-ca-file=${this.ca.certFile}`,
      `--requestheader-client-ca-file=${this.frontProxyCA.certFile}`,
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      `--proxy-client-cert-file=${this.frontProxyClient.certFile}`,
      `--proxy-client-key-file=${this.frontProxyClient.keyFile}`,
      '--authorization-mode=Node,RBAC',
      '--allow-privileged=true',
      // Nobody here makes the service accounts that it would add to pods.
      '--disable-admission-plugins=ServiceAccount',
    ]
    if (auditPolicy !== undefined) {
      const file = join(this.dir, 'audit-policy.yaml')
      writeFileSync(file, auditPolicy)
      all.push(
        `--audit-policy-file=${file}`,
        `--audit-log-path=${this.auditLog}`,
        '--audit-log-mode=blocking',
      )
    }
    if (tokens !== undefined) {
      const file = join(this.dir, 'tokens.csv')
      writeFileSync(file, tokens.map((line) => `${line}\n`).join(''), { mode: 0o600 })
      all.push(`--token-auth-file=${file}`)
    }
    return [...all, ...flags]
  }

  #spawn(command: string, args: readonly string[], logFile: string): void {
    const log = openSync(logFile, 'a', 0o600)
    this.#processes.push(spawn(command, args, { stdio: ['ignore', log, log] }))
    closeSync(log)
  }

  /** A test that crashes or is killed cannot call stop(): when its end of the pipe closes, this shell ends the processes. */
  #watch(): void {
    const pids = this.#processes.map((child) => String(child.pid))
    this.#watchdog = spawn('sh', ['-c', 'read -r _; kill -9 "$@"', 'sh', ...pids], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#watchdog.unref()
    this.#watchdog.stdin?.on('error', () => undefined)
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + READY_WITHIN
    let last = 'no answer'
    while (Date.now() < deadline) {
      const gone = this.#processes.find((child) => child.exitCode !== null || child.signalCode !== null)
      if (gone !== undefined)
        throw new Error(`${gone.spawnfile} exited with ${gone.exitCode ?? gone.signalCode}`)
      try {
        const { status, body } = await this.request('/readyz?verbose')
        if (status === 200) return
        last = body.toString()
      } catch (err) {
        last = String(err)
      }
      await sleep(POLL_EVERY)
    }
    throw new Error(`not ready: ${last}`)
  }
}

/** Ports that nobody listens on right now. All are held until the last is known, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
