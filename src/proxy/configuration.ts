import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { AuditSinks } from '../audit/sink/audit-sinks.js'
import { PolicyEvaluator, type Evaluator } from '../audit/policy/evaluate.js'
import { LivePolicy } from '../audit/policy/live.js'
import { newAuthentication, type Authentication } from '../authentication/new-authentication.js'
import {
  checkPermissions,
  logIdentityMode,
  type PermissionCheck,
} from '../authentication/permission-check.js'
import { ReloadMetrics } from '../live/metrics.js'
import { newReviewMetrics } from '../cluster/review-metrics.js'
import { Reloader } from '../live/reloader.js'
import type { RequestPathOptions } from './options.js'
import {
  certificateExpiryCheck,
  showCertificateExpiry,
  UpstreamCheck,
  type ShownCertificate,
} from '../server/health-checks.js'
import type { HealthCheck } from '../server/health.js'
import { ServingTLS } from '../server/serving-tls.js'
import { LiveUpstream } from '../upstream/live-upstream.js'
import { LiveSessionPolicy } from '../sessions/policy.js'
import type { Part } from './part.js'

/** Without a policy file nothing is recorded. */
const RECORD_NOTHING = new PolicyEvaluator({ omitStages: [], omitManagedFields: false, rules: [] })

/** What was read from files. */
interface Opened {
  readonly policy: LivePolicy | undefined
  readonly sessionPolicy: LiveSessionPolicy | undefined
  readonly upstream: LiveUpstream
  readonly authentication: Authentication
  readonly reloader: Reloader
}

/**
 * What the proxy is told by files and by the cluster: read at the start, and again when it changes. Whatever is made of
 * it asks for what is in force now.
 */
export class Configuration implements Part {
  readonly upstream: LiveUpstream
  readonly authentication: Authentication
  readonly tls: ServingTLS
  readonly policy: Evaluator
  /** Which sessions are recorded; undefined: all. */
  readonly sessionPolicy: LiveSessionPolicy | undefined
  readonly sinks: AuditSinks | undefined
  readonly reloader: Reloader
  readonly readyChecks: readonly HealthCheck[]
  readonly #options: RequestPathOptions
  readonly #log: Logger

  /**
   * Reads every file that the options name.
   * @throws ConfigError; then nothing is left open
   */
  static async read(options: RequestPathOptions, registry: Registry, log: Logger): Promise<Configuration> {
    const reloader = new Reloader(log, new ReloadMetrics(registry), Date.now())
    const policy =
      options.policyFile === undefined
        ? undefined
        : new LivePolicy(options.policyFile, (warning) => log.warn(warning))
    const sessionFile = options.sessions?.policyFile
    const sessionPolicy = sessionFile === undefined ? undefined : new LiveSessionPolicy(sessionFile)
    const upstream = new LiveUpstream(
      { ...options.upstream, authenticationKubeconfig: options.authentication.kubeconfig },
      log,
    )
    let authentication: Authentication | undefined
    try {
      authentication = newAuthentication(options.authentication, {
        reviews: upstream.reviews,
        bare: () => upstream.bare,
        reviewMetrics: newReviewMetrics(registry),
        log,
        now: Date.now,
      })
      const opened = { policy, sessionPolicy, upstream, authentication, reloader }
      return new Configuration(options, opened, registry, log)
    } catch (err) {
      authentication?.close()
      await upstream.close()
      throw err
    }
  }

  private constructor(
    options: RequestPathOptions,
    { policy, sessionPolicy, upstream, authentication, reloader }: Opened,
    registry: Registry,
    log: Logger,
  ) {
    this.#options = options
    this.#log = log
    this.upstream = upstream
    this.authentication = authentication
    this.reloader = reloader
    this.tls = new ServingTLS(options.serving, authentication.clientAuthorities)
    this.policy = policy ?? RECORD_NOTHING
    this.sessionPolicy = sessionPolicy
    this.sinks = options.sinks && new AuditSinks(options.sinks, upstream.own, log)
    reloader.add([
      ...(policy === undefined ? [] : [policy]),
      ...(sessionPolicy === undefined ? [] : [sessionPolicy]),
      ...this.tls.reloadables(),
      ...upstream.reloadables(),
      ...authentication.reloadables,
      ...(this.sinks?.reloadables ?? []),
    ])
    const certificates = () => this.#shownCertificates()
    showCertificateExpiry(registry, certificates)
    this.readyChecks = [new UpstreamCheck(() => upstream.bare), certificateExpiryCheck(certificates)]
  }

  /** Begins to follow the cluster. Files are watched by whoever starts the reloader. */
  start(): void {
    this.sinks?.start()
  }

  /** Says how identities reach the apiserver, and warns where the proxy's own may not do what that needs. */
  announce(): void {
    const check: PermissionCheck = {
      options: this.#options.authentication,
      impersonates: this.upstream.upstream.asserter.impersonates,
      reviews: this.upstream.reviews,
      own: this.upstream.own,
      log: this.#log,
    }
    logIdentityMode(check)
    void checkPermissions(check)
  }

  async retire(): Promise<void> {
    await this.reloader.close()
    await this.sinks?.retire()
  }

  async stop(): Promise<void> {
    this.authentication.close()
    await this.upstream.close()
  }

  #shownCertificates(): ShownCertificate[] {
    const frontProxy = this.upstream.frontProxyCertificate
    return [
      ...this.tls.certificates,
      ...(frontProxy === undefined ? [] : [{ name: 'proxy-client-cert-file', certificate: frontProxy }]),
    ]
  }
}
