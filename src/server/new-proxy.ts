import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import { DeliveryHealth } from '../audit/backend/delivery-health.js'
import { newAuditBackend } from '../audit/backend/new-audit-backend.js'
import type { Backend } from '../audit/backend/backend.js'
import { Captures } from '../audit/capture/body-capture.js'
import { CaptureBudget } from '../audit/capture/limits.js'
import { ProtobufConverter } from '../audit/capture/protobuf/convert.js'
import { Redactor } from '../audit/capture/redact/redactor.js'
import { yamlToJSON } from '../audit/capture/yaml/yaml.js'
import { AuditSinks, type AuditSinkDeps } from '../audit/sink/audit-sinks.js'
import { AuditMetrics } from '../audit/metrics.js'
import { PolicyEvaluator } from '../audit/policy/evaluate.js'
import { LivePolicy } from '../audit/policy/live.js'
import { newAuthentication } from '../authentication/new-authentication.js'
import {
  checkPermissions,
  logIdentityMode,
  type PermissionCheck,
} from '../authentication/permission-check.js'
import type { Options } from '../cli/options.js'
import { ReloadMetrics } from '../live/metrics.js'
import { Reloader } from '../live/reloader.js'
import { IdentityHeaders } from '../request/identity-headers.js'
import { LiveUpstream } from '../upstream/live-upstream.js'
import type { InheritedSockets } from '../systemd/listen-fds.js'
import type { HealthCheck } from './health.js'
import {
  certificateExpiryCheck,
  showCertificateExpiry,
  UpstreamCheck,
  type ShownCertificate,
} from './health-checks.js'
import { Proxy, type ProxyParts } from './proxy.js'
import { ServingTLS } from './serving-tls.js'

/** Without a policy file nothing is recorded. */
const RECORD_NOTHING = new PolicyEvaluator({ omitStages: [], omitManagedFields: false, rules: [] })

/**
 * The proxy that the options describe, in this process alone, ready to start.
 * @throws ConfigError
 */
export async function newProxy(options: Options, log: Logger): Promise<Proxy> {
  return new Proxy(await newProxyParts(options, log))
}

/**
 * The parts of the proxy that the options describe. Every file that they name is read here.
 * @param sockets take the places of addresses
 * @param redactionKey the same secret has the same mark wherever the key is the same
 * @throws ConfigError
 */
export async function newProxyParts(
  options: Options,
  log: Logger,
  sockets: InheritedSockets = {},
  redactionKey = randomBytes(32),
): Promise<ProxyParts> {
  const opened: Close[] = []
  try {
    return await newParts(options, log, sockets, redactionKey, (close) => opened.unshift(close))
  } catch (err) {
    for (const close of opened) await close()
    throw err
  }
}

/** Closes something that was opened. */
type Close = () => void | Promise<void>

/** @param onOpened is told how to close what was opened, where something after it cannot be used */
async function newParts(
  options: Options,
  log: Logger,
  sockets: InheritedSockets,
  redactionKey: Buffer,
  onOpened: (close: Close) => void,
): Promise<ProxyParts> {
  const begun = Date.now()
  const { audit, authentication, serving } = options
  const registry = new Registry()
  const metrics = new AuditMetrics(registry)
  const policy = audit.policyFile === undefined ? RECORD_NOTHING : new LivePolicy(audit.policyFile)
  const { kubeconfig, proxyClientCert } = options.upstream
  const connections = new LiveUpstream(
    { kubeconfig, proxyClientCert, authenticationKubeconfig: authentication.kubeconfig },
    log,
  )
  onOpened(() => connections.close())
  const auth = newAuthentication(authentication, {
    reviews: connections.reviews,
    bare: () => connections.bare,
    log,
    now: Date.now,
  })
  onOpened(() => auth.close())
  const tls = new ServingTLS(serving, auth.clientAuthorities)
  const shownCertificates = (): ShownCertificate[] => {
    const frontProxy = connections.frontProxyCertificate
    return [
      { name: 'tls-cert-file', certificate: tls.certificate },
      ...(frontProxy === undefined ? [] : [{ name: 'proxy-client-cert-file', certificate: frontProxy }]),
    ]
  }
  showCertificateExpiry(registry, shownCertificates)
  const reloader = new Reloader(log, new ReloadMetrics(registry), begun)
  if (policy instanceof LivePolicy) reloader.add([policy])
  reloader.add([...tls.reloadables(), ...connections.reloadables(), ...auth.reloadables])
  const readyChecks: HealthCheck[] = [
    new UpstreamCheck(() => connections.bare),
    certificateExpiryCheck(shownCertificates),
  ]
  const health = (plugin: string): DeliveryHealth => {
    const delivery = new DeliveryHealth(options.readyAuditGracePeriod)
    readyChecks.push({ name: `audit-backend-${plugin}`, check: () => delivery.problem() })
    return delivery
  }
  const backend = await newAuditBackend(audit, {
    log,
    metrics,
    health,
    onReloadable: (reloadable) => reloader.add([reloadable]),
  })
  onOpened(() => backend?.shutdown(AbortSignal.abort()))
  const sinks = newSinks(audit, { policy, backend, cluster: connections.own, metrics, log })
  reloader.add(sinks?.reloadables ?? [])
  const check: PermissionCheck = {
    options: authentication,
    impersonates: connections.upstream.asserter.impersonates,
    reviews: connections.reviews,
    own: connections.own,
    log,
  }
  return {
    serving: {
      bindAddress: serving.bindAddress,
      fd: sockets.secure,
      port: serving.port,
      minVersion: serving.minVersion,
      ciphers: serving.ciphers,
    },
    tls,
    authenticator: auth.authenticator,
    identityHeaders: new IdentityHeaders(authentication.requestHeader.headers),
    policy: sinks?.policy ?? policy,
    backend: sinks?.backend ?? backend ?? noBackend(),
    captures: new Captures({
      maxBodyBytes: audit.maxBodySize,
      budget: new CaptureBudget(audit.maxCaptureMemory),
      redactor: audit.redact ? new Redactor(redactionKey) : undefined,
      onTruncated: () => metrics.observeTruncated('capture'),
      converters: { yaml: yamlToJSON, protobuf: new ProtobufConverter() },
    }),
    upstream: connections.upstream,
    reviews: connections.reviews,
    metrics,
    registry,
    log,
    healthz: sockets.healthz === undefined ? options.healthz : { fd: sockets.healthz },
    readyChecks,
    metricsAddress: sockets.metrics === undefined ? options.metrics : { fd: sockets.metrics },
    shutdownDelay: options.shutdown.delayDuration,
    shutdownTimeout: options.shutdown.timeout,
    reloader,
    sinks,
    onStart() {
      if ((backend ?? sinks) === undefined) {
        log.warn('nothing is recorded: neither --audit-log-path nor --audit-webhook-config-file is set')
      }
      logIdentityMode(check)
      void checkPermissions(check)
    },
    async closeUpstream() {
      auth.close()
      await connections.close()
    },
  }
}

function newSinks({ sinks, webhook }: Options['audit'], deps: AuditSinkDeps): AuditSinks | undefined {
  const { directory, fromCluster } = sinks
  return directory === '' && !fromCluster
    ? undefined
    : new AuditSinks({ directory, fromCluster, webhook }, deps)
}

/** No log and no webhook: whatever the policy says, events go nowhere. */
function noBackend(): Backend {
  return { name: 'none', processEvents: () => true, shutdown: () => Promise.resolve() }
}
