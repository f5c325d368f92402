import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createSecureServer, type SecureServerOptions } from 'node:http2'
import https, { type RequestOptions } from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { certificate, writeKubeconfigFile } from './kubeconfig.js'
import { PKI, type CertificateRequest, type Issued } from './pki.js'
import { ProxyProcess } from './proxy-process.js'

export interface StandInOptions {
  /** Answers what is not a review. */
  readonly upstream: (req: IncomingMessage, res: ServerResponse) => void
  /** What the proxy's own identity may do, as SelfSubjectAccessReviews ask; all that it needs without it. */
  readonly mayI?: (attributes: Record<string, string>) => boolean
  /** Answers TokenReviews and SubjectAccessReviews; without it, TokenReviews know `tokens` and everything is allowed. */
  readonly reviews?: (req: IncomingMessage, res: ServerResponse, review: Review) => void
  readonly tokens?: Readonly<Record<string, object>>
  /** Whether it has constrained impersonation, which the proxy finds out. */
  readonly constrainedImpersonation?: boolean
  /** YAML; everything at level Metadata without it. */
  readonly policy?: string
  /** How identities of client certificates go upstream. */
  readonly identity?: 'request-header' | 'impersonation'
  /** Whether the stand-in apiserver speaks HTTP/2 as well, as the real one does. */
  readonly http2?: boolean
  /** Is called before the proxy starts. */
  readonly prepare?: (standIn: StandIn) => void | Promise<void>
  readonly flags?: readonly string[]
  /** Further flags that name files of the stand-in's own. */
  readonly fileFlags?: (standIn: StandIn) => readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Descriptors of sockets that the proxy inherits. */
  readonly sockets?: readonly number[]
}

/** A review object as the stand-in apiserver receives it. */
export interface Review {
  readonly kind: string
  readonly apiVersion: string
  readonly spec: Record<string, unknown>
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

/** What the stand-in apiserver saw of a request that was not a review. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingHttpHeaders
  /** CN of the client certificate of the connection it came over, if it had one. */
  readonly peer: string | undefined
}

const EVERYTHING = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n'

/** A stand-in apiserver in this process, and the real proxy in a process of its own in front of it. */
export class StandIn {
  readonly dir = mkdtempSync(join(tmpdir(), 'kube-audit-proxy-'))
  readonly auditLog = join(this.dir, 'audit.log')
  readonly pki = new PKI(join(this.dir, 'pki'))
  readonly ca = this.pki.ca('ca')
  readonly frontProxyCA = this.pki.ca('front-proxy-ca')
  /** A client certificate of an administrator. */
  readonly admin = this.client({ name: 'admin', cn: 'admin', o: ['system:masters'] })
  readonly kubeconfig = join(this.dir, 'kubeconfig')
  readonly seen: Seen[] = []
  readonly reviews: Review[] = []
  proxy!: ProxyProcess
  upstream!: https.Server
  #upstreamPort = 0
  readonly #sockets = new Set<TLSSocket>()

  static async start(options: StandInOptions): Promise<StandIn> {
    const standIn = new StandIn(options)
    await options.prepare?.(standIn)
    await standIn.startUpstream()
    try {
      await standIn.startProxy()
    } catch (err) {
      await standIn.stopUpstream()
      rmSync(standIn.dir, { recursive: true, force: true })
      throw err
    }
    return standIn
  }

  readonly #options: StandInOptions

  private constructor(options: StandInOptions) {
    this.#options = options
  }

  /** Issues a client certificate that the proxy accepts, unless the request says otherwise. */
  client(request: Partial<CertificateRequest> & { name: string; cn: string }): Issued {
    return this.pki.issue(this.ca, { usage: 'client', ...request })
  }

  async startUpstream(): Promise<void> {
    const serving = this.pki.issue(this.ca, {
      name: 'upstream',
      cn: 'kube-apiserver',
      ip: ['127.0.0.1'],
      usage: 'server',
    })
    const tls = { cert: serving.cert, key: serving.key, requestCert: true, rejectUnauthorized: false }
    this.upstream =
      this.#options.http2 === true
        ? newHttp2Server(tls, (req, res) => this.#serve(req, res))
        : // Heads may be as large as kube-apiserver's.
          https.createServer({ ...tls, requestTimeout: 0, maxHeaderSize: 1 << 20 }, (req, res) =>
            this.#serve(req, res),
          )
    this.upstream.on('secureConnection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.upstream.listen(this.#upstreamPort, '127.0.0.1', 4096)
    await once(this.upstream, 'listening')
    this.#upstreamPort = (this.upstream.address() as AddressInfo).port
  }

  /** host:port of the stand-in apiserver. */
  get upstreamHost(): string {
    return `127.0.0.1:${this.#upstreamPort}`
  }

  /** As if the apiserver had died. */
  async stopUpstream(): Promise<void> {
    const closed = once(this.upstream, 'close')
    this.upstream.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async startProxy(): Promise<void> {
    const options = this.#options
    const serving = this.pki.issue(this.ca, {
      name: 'serving',
      cn: 'proxy',
      ip: ['127.0.0.1'],
      usage: 'server',
    })
    const self = this.client({ name: 'self', cn: 'kube-audit-proxy' })
    const server = `https://127.0.0.1:${this.#upstreamPort}`
    const cluster = { server, 'certificate-authority': this.ca.certFile }
    writeKubeconfigFile(this.kubeconfig, cluster, certificate(self))
    const policyFile = join(this.dir, 'policy.yaml')
    writeFileSync(policyFile, options.policy ?? EVERYTHING)
    const flags = [
      `--kubeconfig=${this.kubeconfig}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--client-ca-file=${this.ca.certFile}`,
      `--audit-policy-file=${policyFile}`,
      `--audit-log-path=${this.auditLog}`,
    ]
    if (options.identity !== 'impersonation') {
      const cn = 'front-proxy-client'
      const frontProxy = this.pki.issue(this.frontProxyCA, { name: cn, cn, usage: 'client' })
      flags.push(
        `--proxy-client-cert-file=${frontProxy.certFile}`,
        `--proxy-client-key-file=${frontProxy.keyFile}`,
      )
    }
    const more = [...(options.flags ?? []), ...(options.fileFlags?.(this) ?? [])]
    this.proxy = await ProxyProcess.start([...flags, ...more], options.env, options.sockets)
  }

  /** TLS options of a client of the proxy. */
  as(who: Issued | 'nobody' = this.admin): RequestOptions {
    const identity = who === 'nobody' ? {} : { cert: who.cert, key: who.key }
    return { host: '127.0.0.1', port: this.proxy.port, ca: this.ca.cert, ...identity }
  }

  /** A request through the proxy, as admin unless the options say who; answered as soon as the response begins. */
  async open(path: string, options: RequestOptions = {}, body?: string | Buffer): Promise<IncomingMessage> {
    const req = https.request({ ...(options.port === undefined ? this.as() : {}), path, ...options })
    req.end(body)
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    return res
  }

  /** A request through the proxy, answered when it is over. */
  async ask(path: string, options: RequestOptions = {}, body?: string | Buffer): Promise<Answer> {
    const res = await this.open(path, { agent: false, ...options }, body)
    const chunks: Buffer[] = []
    for await (const chunk of res) chunks.push(chunk as Buffer)
    return {
      status: res.statusCode ?? 0,
      headers: res.headers,
      rawHeaders: res.rawHeaders,
      body: Buffer.concat(chunks),
    }
  }

  /** Resident memory of the proxy's process, in MiB, now and at its highest. */
  memory(): { now: number; peak: number } {
    const status = readFileSync(`/proc/${this.proxy.child.pid}/status`, 'utf8')
    const field = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
    return { now: field('VmRSS'), peak: field('VmHWM') }
  }

  async stop(): Promise<void> {
    await this.proxy.stop()
    await this.stopUpstream()
    rmSync(this.dir, { recursive: true, force: true })
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    // A client's own reviews carry the Audit-ID that the proxy gives every request it passes on.
    const own = req.headers['audit-id'] === undefined
    if (own && req.url === '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') {
      void this.#selfAccess(req, res)
      return
    }
    if (own && /^\/apis\/auth[a-z]+\.k8s\.io\/v1\/(tokenreviews|subjectaccessreviews)$/.test(req.url ?? '')) {
      void this.#review(req, res)
      return
    }
    if (own && req.headers['impersonate-user'] === undefined && 'impersonate-group' in req.headers) {
      const requested = this.#options.constrainedImpersonation === true ? '&user.DefaultInfo{' : '[{Group '
      sendJSON(res, 400, { kind: 'Status', message: `requested ${requested}`, code: 400 })
      return
    }
    const subject = (req.socket as TLSSocket).getPeerCertificate().subject as { CN?: string } | undefined
    this.seen.push({
      method: req.method ?? '',
      url: req.url ?? '',
      headers: req.headers,
      rawHeaders: req.rawHeaders,
      peer: subject?.CN,
    })
    this.#options.upstream(req, res)
  }

  /** Writes a file of the stand-in's own, readable by its owner only. */
  file(name: string, text: string): string {
    const path = join(this.dir, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  async #selfAccess(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const review = await readReview(req)
    const attributes = review.spec['resourceAttributes'] as Record<string, string>
    const { mayI = ({ verb, name }) => verb !== '*' && name !== 'system:masters' } = this.#options
    sendJSON(res, 201, { ...review, status: { allowed: mayI(attributes) } })
  }

  async #review(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const review = await readReview(req)
    this.reviews.push(review)
    if (this.#options.reviews !== undefined) {
      this.#options.reviews(req, res, review)
      return
    }
    const user = this.#options.tokens?.[String(review.spec['token'])]
    const status =
      review.kind === 'TokenReview'
        ? user === undefined
          ? { authenticated: false }
          : { authenticated: true, user }
        : { allowed: true }
    sendJSON(res, 201, { ...review, status })
  }
}

/** node:http2's objects for requests and responses look like node:http's. */
function newHttp2Server(
  tls: SecureServerOptions,
  serve: (req: IncomingMessage, res: ServerResponse) => void,
): https.Server {
  const server = createSecureServer({ ...tls, allowHTTP1: true }, (req, res) =>
    serve(req as unknown as IncomingMessage, res as unknown as ServerResponse),
  )
  return server as unknown as https.Server
}

async function readReview(req: IncomingMessage): Promise<Review> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString()) as Review
}

/** Answers with JSON, as the stand-in apiserver. */
export function sendJSON(
  res: ServerResponse,
  code: number,
  value: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = JSON.stringify(value)
  res.writeHead(code, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  })
  res.end(body)
}
