import type { X509Certificate } from 'node:crypto'
import { Gauge, type Registry } from 'prom-client'
import { errorMessage } from '../errors.js'
import { validityProblem } from '../pem.js'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'
import type { HealthCheck } from './health.js'

/** Milliseconds for which an answer of the upstream is used again. */
const CACHE = 2000
/** Milliseconds that the upstream may take; a kubelet waits one second by default. */
const TIMEOUT = 5000
/** Bytes of an answer that are read so that its connection can be used again. */
const MAX_ANSWER = 64 * 1024

/** The check `ping`: whoever answers is alive. */
export const PING: HealthCheck = { name: 'ping', check: () => undefined }

/**
 * The check `upstream`: asks the upstream whether it is ready, without credentials. Whatever it answers shows that it
 * can be reached (that anonymous requests are forbidden, say), but for a failure of its own.
 */
export class UpstreamCheck implements HealthCheck {
  readonly name = 'upstream'
  readonly #connections: () => UpstreamConnections
  readonly #now: () => number
  #last: { readonly at: number; readonly answer: Promise<string | undefined> } | undefined

  /** @param now milliseconds that only grow */
  constructor(connections: () => UpstreamConnections, now: () => number = () => performance.now()) {
    this.#connections = connections
    this.#now = now
  }

  check(): Promise<string | undefined> {
    const now = this.#now()
    if (this.#last === undefined || now - this.#last.at >= CACHE)
      this.#last = { at: now, answer: this.#ask() }
    return this.#last.answer
  }

  async #ask(): Promise<string | undefined> {
    const { dispatcher, origin, pathPrefix } = this.#connections()
    try {
      const { statusCode, body } = await dispatcher.request({
        origin,
        path: `${pathPrefix}/readyz`,
        method: 'GET',
        headers: { 'user-agent': 'kube-audit-proxy' },
        signal: AbortSignal.timeout(TIMEOUT),
      })
      await body.dump({ limit: MAX_ANSWER })
      return statusCode >= 500 ? `/readyz of the apiserver is answered with ${statusCode}` : undefined
    } catch (err) {
      return `the apiserver cannot be reached: ${errorMessage(err)}`
    }
  }
}

/** A certificate that the proxy shows to others, by the flag that names its file. */
export interface ShownCertificate {
  readonly name: string
  readonly certificate: X509Certificate
}

/** The check `certificate-expiry`: all certificates that the proxy shows are valid now. */
export function certificateExpiryCheck(certificates: () => readonly ShownCertificate[]): HealthCheck {
  return {
    name: 'certificate-expiry',
    check() {
      const now = Date.now()
      for (const { name, certificate } of certificates()) {
        const problem = validityProblem(certificate, now)
        if (problem !== undefined) return `--${name}: ${problem}`
      }
      return undefined
    },
  }
}

/** Shows for how long the certificates are good. */
export function showCertificateExpiry(
  registry: Registry,
  certificates: () => readonly ShownCertificate[],
): void {
  new Gauge({
    registers: [registry],
    aggregator: 'min',
    name: 'kube_audit_proxy_certificate_expiration_seconds',
    help: 'Seconds until a certificate that the proxy shows expires, by the flag that names its file; negative when it has expired.',
    labelNames: ['file'],
    collect() {
      this.reset()
      for (const { name, certificate } of certificates()) {
        this.set({ file: name }, (Date.parse(certificate.validTo) - Date.now()) / 1000)
      }
    },
  })
}
