import { newSpooledWebhookBackend } from '../../src/audit/backend/webhook/spooled-webhook.js'
import { auditEvent, never, RecordedProblems, webhookDeps } from './webhook.js'

/*
 * A process that spools and sends the events FROM to TO, and tells its parent how far the backend has them. It then
 * waits for `shutdown`, unless it is killed before.
 *
 * spool-child KUBECONFIG DIRECTORY FROM TO
 */
const [kubeconfig = '', directory = '', from, to] = process.argv.slice(2)
const GROUP = 50

const report = new RecordedProblems()
const backend = await newSpooledWebhookBackend(
  {
    initialBackoff: 10,
    spool: { directory, maxSize: 1 << 30 },
    maxBatchSize: 400,
    maxBatchBytes: 10 << 20,
    maxBatchWait: 20,
    bufferSize: 10_000,
    bufferBytes: 32 << 20,
    blocks: false,
  },
  webhookDeps(kubeconfig, report),
)

process.once('message', () => {
  void backend.shutdown(never).then(() => {
    process.send?.({ messages: report.messages, failed: report.failedEvents, dropped: report.droppedEvents })
    process.disconnect()
  })
})

let next = Number(from)
function feed(): void {
  const end = Math.min(next + GROUP, Number(to))
  while (next < end) void backend.processEvents([auditEvent(next++)])
  // The backend has them from the end of the tick on: its immediate comes before this one.
  setImmediate(() => {
    process.send?.({ accepted: next })
    if (next < Number(to)) setTimeout(feed, 1)
  })
}
feed()
