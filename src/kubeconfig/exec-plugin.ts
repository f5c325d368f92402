import { execFile, type ChildProcess, type ExecFileException } from 'node:child_process'
import type { Logger } from 'pino'
import { errorMessage } from '../errors.js'
import { parseKeyPair } from '../pem.js'
import type { CertificateKeyPair, Credentials } from './connection.js'
import { checkToken, type Clock } from './credentials.js'

/** The versions of client.authentication.k8s.io that are spoken. */
export const EXEC_API_VERSIONS = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
] as const

/** Milliseconds that a plugin may take. */
const TIMEOUT = 60_000
const MAX_OUTPUT = 1024 * 1024
const MAX_STDERR_LOGGED = 1024
/** Milliseconds after a failure in which the plugin is not run again. */
const RETRY_AFTER = 1000

/** `users[].user.exec` of a kubeconfig, checked. */
export interface ExecConfig {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly apiVersion: (typeof EXEC_API_VERSIONS)[number]
  readonly installHint?: string | undefined
  /** `spec.cluster` of what the plugin is told; undefined without provideClusterInfo. */
  readonly cluster?: Readonly<Record<string, unknown>> | undefined
  /** The field of the kubeconfig, for messages: `FILE: users[NAME].user.exec`. */
  readonly where: string
}

export interface ExecPluginOptions {
  readonly now?: Clock
  /** Milliseconds that a run may take; default 60,000. */
  readonly timeout?: number
}

interface ExecResult {
  readonly authorization: string | undefined
  readonly certificate: CertificateKeyPair | undefined
  /** Milliseconds since the epoch; Infinity where the plugin named no end. */
  readonly expires: number
}

/**
 * Credentials that a command prints (k8s.io/client-go/plugin/pkg/client/auth/exec). It is run when they are first asked
 * for, when they have expired and after a 401; once at a time, however many ask. What it prints on stderr is logged when
 * it fails, without what looks like a secret.
 */
export class ExecPlugin implements Credentials {
  readonly files = []
  readonly #config: ExecConfig
  readonly #log: Logger
  readonly #now: Clock
  readonly #timeout: number
  #result: ExecResult | undefined
  /** The last one, also when it has expired; undefined before the first run. */
  #certificate: { readonly value: CertificateKeyPair | undefined } | undefined
  #version = 0
  #running: Promise<ExecResult> | undefined
  #failed: { readonly error: Error; readonly until: number } | undefined
  #child: ChildProcess | undefined
  #closed = false

  constructor(config: ExecConfig, log: Logger, options: ExecPluginOptions = {}) {
    this.#config = config
    this.#log = log
    this.#now = options.now ?? Date.now
    this.#timeout = options.timeout ?? TIMEOUT
  }

  get certificateVersion(): number {
    return this.#version
  }

  async clientCertificate(): Promise<CertificateKeyPair | undefined> {
    return (await this.#get()).certificate
  }

  async authorization(): Promise<string | undefined> {
    return (await this.#get()).authorization
  }

  invalidate(refused?: string): void {
    if (refused === undefined || refused === this.#result?.authorization) this.#result = undefined
  }

  close(): void {
    this.#closed = true
    // What it has started may live on and hold the pipes open; nobody waits for that.
    this.#child?.stdout?.destroy()
    this.#child?.stderr?.destroy()
    this.#child?.kill('SIGKILL')
  }

  async #get(): Promise<ExecResult> {
    const now = this.#now()
    if (this.#result !== undefined && now <= this.#result.expires) return this.#result
    if (this.#failed !== undefined && now < this.#failed.until) throw this.#failed.error
    this.#running ??= this.#refresh().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #refresh(): Promise<ExecResult> {
    try {
      const result = this.#parse(await this.#run())
      const { certificate } = result
      const last = this.#certificate
      // The first is no replacement: no connection was made with another one.
      if (
        last !== undefined &&
        (certificate?.cert !== last.value?.cert || certificate?.key !== last.value?.key)
      ) {
        this.#version++
      }
      this.#certificate = { value: certificate }
      this.#failed = undefined
      this.#result = result
      return result
    } catch (err) {
      const error = new Error(`${this.#config.where}: ${errorMessage(err)}`)
      this.#failed = { error, until: this.#now() + RETRY_AFTER }
      throw error
    }
  }

  /** Runs the command; what it printed on stdout. */
  #run(): Promise<string> {
    const { command, args, env, apiVersion, cluster, where } = this.#config
    if (this.#closed) return Promise.reject(new Error('closed'))
    const info = {
      apiVersion,
      kind: 'ExecCredential',
      spec: { ...(cluster && { cluster }), interactive: false },
    }
    return new Promise((resolve, reject) => {
      const options = {
        env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
        encoding: 'utf8' as const,
        timeout: this.#timeout,
        killSignal: 'SIGKILL' as const,
        maxBuffer: MAX_OUTPUT,
        windowsHide: true,
      }
      const run = (): ChildProcess =>
        execFile(command, args, options, (err, stdout, stderr) => {
          this.#child = undefined
          if (err === null) return resolve(stdout)
          const printed = withoutSecrets(stderr).trim()
          if (printed !== '')
            this.#log.warn({ stderr: printed.slice(-MAX_STDERR_LOGGED) }, `${where}: ${command} failed`)
          reject(new Error(this.#explain(err)))
        })
      try {
        this.#child = run()
      } catch (err) {
        // An argument or variable with a zero byte in it, which the message would quote.
        reject(new Error(this.#explain(err as ExecFileException)))
        return
      }
      // It has no terminal to ask at; a plugin that reads finds the end at once.
      this.#child.stdin?.on('error', () => {})
      this.#child.stdin?.end()
    })
  }

  #explain(err: ExecFileException): string {
    const { command, installHint } = this.#config
    if (err.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
      return `${command} printed more than ${MAX_OUTPUT} bytes`
    if (this.#closed) return `${command} was stopped`
    if (err.killed) return `${command} did not end within ${this.#timeout} ms`
    if (typeof err.code === 'number') return `${command} failed with exit code ${err.code}`
    if (err.signal) return `${command} was ended by ${err.signal}`
    if (String(err.code) === 'ENOENT') {
      return `executable ${command} not found${installHint ? `: ${oneLine(installHint)}` : ''}`
    }
    return `${command} could not be run: ${String(err.code)}`
  }

  /** Reads what the plugin printed. No message quotes it. */
  #parse(stdout: string): ExecResult {
    const { command, apiVersion } = this.#config
    let credential: unknown
    try {
      credential = JSON.parse(stdout)
    } catch {
      throw new Error(`${command} printed no JSON, expected an ExecCredential`)
    }
    if (!isObject(credential) || credential.kind !== 'ExecCredential') {
      throw new Error(`${command} printed another object than an ExecCredential`)
    }
    if (credential.apiVersion !== apiVersion) {
      throw new Error(`is configured to use API version ${apiVersion}, ${command} returned another one`)
    }
    const { status } = credential
    if (!isObject(status)) throw new Error(`${command} didn't return a status field`)
    const token = text(status, 'token')
    const cert = text(status, 'clientCertificateData')
    const key = text(status, 'clientKeyData')
    if (token === '' && cert === '' && key === '')
      throw new Error(`${command} didn't return a token or cert/key pair`)
    if ((cert === '') !== (key === ''))
      throw new Error(`${command} returned only certificate or key, not both`)
    const timestamp = text(status, 'expirationTimestamp')
    const expires = timestamp === '' ? Infinity : Date.parse(timestamp)
    if (Number.isNaN(expires))
      throw new Error(`${command} returned an expirationTimestamp that is no RFC 3339 time`)
    if (cert !== '') parseKeyPair(cert, key, 'status.clientCertificateData', 'status.clientKeyData')
    return {
      authorization: token === '' ? undefined : `Bearer ${checkToken(token)}`,
      certificate: cert === '' ? undefined : { cert, key },
      expires,
    }
  }
}

function text(status: Record<string, unknown>, field: string): string {
  const value = status[field] ?? ''
  if (typeof value !== 'string') throw new Error(`status.${field} is not a string`)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function oneLine(value: string): string {
  // eslint-disable-next-line no-control-regex
  return value.replace(/[\x00-\x1f\x7f]+/g, ' ').trim()
}

/** Takes out of a plugin's messages what could be a key or a token. The text may be a megabyte of spaces. */
function withoutSecrets(value: string): string {
  return value
    .replace(/-----BEGIN [A-Z ]+-----[^-]*(-----END [A-Z ]+-----)?/g, '[redacted]')
    .replace(/\b(bearer|token|password|secret)(["']?\s*(?:[:=]\s*)?["']?)[^\s"']+/gi, '$1$2[redacted]')
    .replace(/[A-Za-z0-9_+=.-]{40,}/g, '[redacted]')
}
