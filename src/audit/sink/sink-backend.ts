import type { ClusterConnection } from '../../kubeconfig/connection.js'
import { NO_CREDENTIALS } from '../../kubeconfig/credentials.js'
import { proxyFromEnvironment } from '../../kubeconfig/proxy-url.js'
import type { RateLimitedLog } from '../../rate-limited-log.js'
import type { Backend } from '../backend/backend.js'
import { BUFFERED_PLUGIN, BufferedBackend, estimateBytes } from '../backend/buffered.js'
import { EnforcedBackend } from '../backend/enforced.js'
import type { DeliveryOptions } from '../backend/delivery-options.js'
import { PluginProblems } from '../backend/plugin-problems.js'
import { TRUNCATE_PLUGIN, TruncateBackend } from '../backend/truncate.js'
import { WebhookClient } from '../backend/webhook/webhook-client.js'
import { WEBHOOK_PLUGIN } from '../backend/webhook/webhook-delivery.js'
import { newWebhookBackend } from '../backend/webhook/webhook-backend.js'
import { newLineEncoder } from '../encode.js'
import { STAGES } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { AuditSink } from './audit-sink.js'

export interface SinkDeps {
  /** --audit-webhook-*: the version of events, their buffer and batches, their truncation. */
  readonly webhook: DeliveryOptions
  readonly metrics: AuditMetrics
  readonly problems: RateLimitedLog
  /** How many backends of sinks there are, this one included. */
  readonly count: () => number
}

/** k8s.io/apiserver/plugin/pkg/audit/dynamic/factory.go retryBackoff, in milliseconds. */
const RETRY_BACKOFF = 500
/** Anybody who may create sinks creates many: each has less than the one webhook of the flags, and all share this much. */
const MAX_BUFFER_BYTES = 32 << 20
const SHARED_BUFFER_BYTES = 64 << 20
const SHARED_IN_FLIGHT_BYTES = 64 << 20
const CONNECTIONS = 4

/** As metrics call what is sent to the sink of that name. */
export function sinkPlugin(name: string): string {
  return `dynamic:${name}`
}

/**
 * The backend that sends events to one sink (k8s.io/apiserver/plugin/pkg/audit/dynamic/factory.go BuildDelegate), always
 * in mode `batch`, so that no request waits for it and no other backend suffers from it.
 */
export function newSinkBackend(sink: AuditSink, { webhook, metrics, problems, count }: SinkDeps): Backend {
  const plugin = sinkPlugin(sink.name)
  const encode = newLineEncoder(webhook.version)
  const errors = (of: string) => new PluginProblems(of, metrics, problems, plugin)
  const client = new WebhookClient(connectionTo(sink), { connections: CONNECTIONS })
  const deps = { client, encode, problems: errors(WEBHOOK_PLUGIN), metrics }
  let backend = newWebhookBackend({ initialBackoff: RETRY_BACKOFF }, deps)
  if (webhook.truncate.enabled) {
    backend = new TruncateBackend(backend, webhook.truncate, encode, errors(TRUNCATE_PLUGIN), metrics)
  }
  const { bufferSize, bufferBytes, maxSize, maxWait } = webhook.batch
  const config = {
    plugin,
    bufferSize,
    get bufferBytes() {
      return Math.min(bufferBytes, MAX_BUFFER_BYTES, SHARED_BUFFER_BYTES / count())
    },
    get maxInFlightBytes() {
      return SHARED_IN_FLIGHT_BYTES / count()
    },
    maxBatchSize: maxSize,
    maxBatchWait: maxWait,
    throttle: sink.throttle,
    maxInFlight: CONNECTIONS,
  }
  const buffered = new BufferedBackend(backend, config, estimateBytes, errors(BUFFERED_PLUGIN), metrics)
  const omitStages = new Set(STAGES.filter((stage) => !sink.stages.includes(stage)))
  return new EnforcedBackend(buffered, () => ({ level: sink.level, omitStages }))
}

function connectionTo({ name, url, ca }: AuditSink): ClusterConnection {
  return {
    server: url,
    tls: { ca, rejectUnauthorized: true },
    proxyUrl: proxyFromEnvironment(url, process.env),
    credentials: NO_CREDENTIALS,
    source: `auditsink ${name}`,
    files: [],
  }
}
