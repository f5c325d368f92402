import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Dispatcher } from 'undici'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import { newAuditBackend } from '../audit/backend/build.js'
import type { Backend } from '../audit/backend/backend.js'
import { Captures } from '../audit/capture/body-capture.js'
import { CaptureBudget } from '../audit/capture/limits.js'
import { ProtobufConverter } from '../audit/capture/protobuf/convert.js'
import { Redactor } from '../audit/capture/redact.js'
import { yamlToJSON } from '../audit/capture/yaml.js'
import { AuditMetrics } from '../audit/metrics.js'
import { PolicyEvaluator } from '../audit/policy/evaluate.js'
import { loadPolicy } from '../audit/policy/load.js'
import { AnonymousFallback } from '../authentication/anonymous.js'
import type { Authenticator } from '../authentication/authenticator.js'
import { BearerTokenAuthenticator } from '../authentication/bearer-token.js'
import { TokenCache } from '../authentication/token-cache.js'
import { TokenReviewAuthenticator } from '../authentication/token-review.js'
import { UnionAuthenticator } from '../authentication/union.js'
import { WebSocketProtocolAuthenticator } from '../authentication/websocket-protocol.js'
import { X509Authenticator } from '../authentication/x509.js'
import type { CertificateFiles, Options } from '../cli/options.js'
import type { ClusterConnection } from '../kubeconfig/connection.js'
import { certificateFiles, NO_CREDENTIALS } from '../kubeconfig/credentials.js'
import { inClusterConnection } from '../kubeconfig/in-cluster.js'
import { loadKubeconfig } from '../kubeconfig/load.js'
import { newClusterDial, newClusterPool } from '../upstream/connection.js'
import type { ReviewClient } from '../upstream/reviews.js'
import {
  ImpersonatingAsserter,
  RequestHeaderAsserter,
  Upstream,
  type UpstreamConnections,
} from '../upstream/upstream.js'
import { Proxy } from './proxy.js'

/** k8s.io/apiserver caches as many answers of token webhooks in each of its 32 shards. */
const TOKEN_CACHE_ENTRIES = 4096

/**
 * The proxy that the options describe, ready to start. Every file that they name is read here.
 * @throws ConfigError
 */
export async function newProxy(options: Options, log: Logger): Promise<Proxy> {
  const { audit, authentication, serving } = options
  const registry = new Registry()
  const metrics = new AuditMetrics(registry)
  const policy = new PolicyEvaluator(
    audit.policyFile === undefined
      ? { omitStages: [], omitManagedFields: false, rules: [] }
      : loadPolicy(audit.policyFile),
  )
  const connections = new Connections(options, log)
  const backend = (await newAuditBackend(audit, { log, metrics })) ?? noBackend()
  return new Proxy({
    serving: {
      bindAddress: serving.bindAddress,
      port: serving.port,
      cert: readFileSync(serving.certFile),
      key: readFileSync(serving.keyFile),
      clientCA:
        authentication.clientCAFile === undefined ? undefined : readFileSync(authentication.clientCAFile),
      minVersion: serving.minVersion,
      ciphers: serving.ciphers,
    },
    authenticator: newAuthenticator(options, connections.reviews),
    policy,
    backend,
    captures: new Captures({
      maxBodyBytes: audit.maxBodySize,
      budget: new CaptureBudget(audit.maxCaptureMemory),
      redactor: audit.redact ? new Redactor(randomBytes(32)) : undefined,
      onTruncated: () => metrics.observeTruncated('capture'),
      converters: { yaml: yamlToJSON, protobuf: new ProtobufConverter() },
    }),
    upstream: connections.upstream,
    reviews: connections.reviews,
    metrics,
    registry,
    log,
    healthz: options.healthz,
    metricsAddress: options.metrics,
    shutdownDelay: options.shutdown.delayDuration,
    shutdownTimeout: options.shutdown.timeout,
    closeUpstream: () => connections.close(),
  })
}

/** k8s.io/kubernetes/pkg/kubeapiserver/authenticator/config.go: certificates before tokens, anonymous last. */
function newAuthenticator({ authentication }: Options, reviews: ReviewClient): Authenticator {
  const now = Date.now
  const authenticators: Authenticator[] = []
  if (authentication.clientCAFile !== undefined) authenticators.push(new X509Authenticator(now))
  const tokens = new TokenCache(new TokenReviewAuthenticator(reviews), {
    ttl: authentication.tokenWebhookCacheTTL,
    maxEntries: TOKEN_CACHE_ENTRIES,
    now,
  })
  authenticators.push(new BearerTokenAuthenticator(tokens), new WebSocketProtocolAuthenticator(tokens))
  const known = new UnionAuthenticator(authenticators)
  return authentication.anonymousAuth ? new AnonymousFallback(known) : known
}

/** No log and no webhook: whatever the policy says, events go nowhere. */
function noBackend(): Backend {
  return { name: 'none', processEvents: () => true, shutdown: () => Promise.resolve() }
}

/**
 * The connections upstream, kept apart by what they prove: nothing at all, the front-proxy certificate, or the proxy's own
 * credentials.
 */
class Connections {
  readonly upstream: Upstream
  /** For TokenReviews and SubjectAccessReviews. */
  readonly reviews: ReviewClient
  private readonly pools: Dispatcher[] = []
  private readonly credentials: { close(): void }[] = []

  constructor({ upstream, authentication }: Options, log: Logger) {
    const cluster = connect(upstream.kubeconfig, log)
    const reviewing =
      authentication.kubeconfig === undefined ? cluster : connect(authentication.kubeconfig, log)
    const own = this.reviewClient(cluster)
    this.reviews = reviewing === cluster ? own : this.reviewClient(reviewing)
    const bare = this.open({ ...cluster, credentials: NO_CREDENTIALS }, false)
    const { proxyClientCert } = upstream
    this.upstream = new Upstream(
      bare,
      proxyClientCert === undefined
        ? new ImpersonatingAsserter(own)
        : new RequestHeaderAsserter(this.open(this.frontProxy(cluster, proxyClientCert, log), true)),
    )
  }

  async close(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.destroy()))
    for (const credentials of this.credentials) credentials.close()
  }

  /** The cluster, approached with the front-proxy certificate. */
  private frontProxy(cluster: ClusterConnection, files: CertificateFiles, log: Logger): ClusterConnection {
    const credentials = certificateFiles(
      { where: '--proxy-client-cert-file', file: files.certFile },
      { where: '--proxy-client-key-file', file: files.keyFile },
      log,
    )
    this.credentials.push(credentials)
    return { ...cluster, credentials }
  }

  private open(cluster: ClusterConnection, withCredentials: boolean): UpstreamConnections {
    const dispatcher = newClusterPool(cluster, { withCredentials })
    this.pools.push(dispatcher)
    return {
      dispatcher,
      dial: newClusterDial(cluster, { withCredentials }),
      origin: cluster.server.origin,
      pathPrefix: cluster.server.pathname.replace(/\/$/, ''),
    }
  }

  private reviewClient(cluster: ClusterConnection): ReviewClient {
    this.credentials.push(cluster.credentials)
    return {
      connections: this.open(cluster, true),
      authorization: () => cluster.credentials.authorization(),
      invalidate: (refused) => cluster.credentials.invalidate(refused),
    }
  }
}

function connect(kubeconfig: string | undefined, log: Logger): ClusterConnection {
  return kubeconfig === undefined ? inClusterConnection({ log }) : loadKubeconfig(kubeconfig, { log })
}
