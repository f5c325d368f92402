import { TokenBucket } from '../../../token-bucket.js'
import { newLineEncoder } from '../../encode.js'
import { PluginProblems } from '../plugin-problems.js'
import type { BackendPlugin, Form, OpenedBackend, PluginDeps } from '../plugin.js'
import { LiveWebhookClient } from './live-webhook-client.js'
import { AUDIT_WEBHOOK_FLAGS, readAuditWebhookOptions, type AuditWebhookOptions } from './options.js'
import { newSpooledWebhookBackend } from './spooled-webhook.js'
import { newWebhookBackend } from './webhook-backend.js'
import { WEBHOOK_PLUGIN } from './webhook-delivery.js'

/**
 * With the default batches of 400 events this keeps up 4000 events a second, which is all that the default throttle
 * allows, as long as the receiver answers in 400 ms.
 */
const IN_FLIGHT = 4

/** Events as EventLists to a server that a kubeconfig names (k8s.io/apiserver/plugin/pkg/audit/webhook). */
export const webhookPlugin: BackendPlugin = {
  name: WEBHOOK_PLUGIN,
  flags: AUDIT_WEBHOOK_FLAGS,
  configure(settings) {
    const options = readAuditWebhookOptions(settings)
    if (options === undefined) return undefined
    return {
      name: WEBHOOK_PLUGIN,
      where: options.where,
      delivery: options.delivery,
      takesLines: true,
      open: (form, deps) => open(options, form, deps),
    }
  },
}

async function open<E>(
  { configFile, initialBackoff, delivery, spool }: AuditWebhookOptions,
  form: Form<E>,
  { log, metrics, problems, health, ...deps }: PluginDeps,
): Promise<OpenedBackend<E>> {
  const client = new LiveWebhookClient(configFile, log, {
    onAttempt: (attempt) => (attempt.delivered ? health.succeeded() : health.failed(attempt.reason)),
  })
  deps.onReloadable(client)
  const webhookDeps = {
    client,
    encode: form.encoder(newLineEncoder(delivery.version)),
    problems: new PluginProblems(WEBHOOK_PLUGIN, metrics, problems),
    metrics,
  }
  if (spool === undefined)
    return { backend: newWebhookBackend({ initialBackoff }, webhookDeps), maxInFlight: IN_FLIGHT }
  const { bufferSize, bufferBytes, maxSize, maxWait, throttleEnable, throttleQPS, throttleBurst } =
    delivery.batch
  const backend = await newSpooledWebhookBackend(
    {
      initialBackoff,
      bufferSize,
      bufferBytes,
      maxBatchSize: maxSize,
      maxBatchBytes: delivery.truncate.maxBatchSize,
      maxBatchWait: maxWait,
      throttle: throttleEnable ? new TokenBucket(throttleQPS, throttleBurst, performance.now()) : undefined,
      spool: { directory: spool.directory, maxSize: spool.maxBytes },
      blocks: delivery.mode !== 'batch',
    },
    { ...webhookDeps, spoolHealth: deps.partHealth('spool') },
  )
  return { backend, maxInFlight: undefined }
}
