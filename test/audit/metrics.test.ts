import { Registry } from 'prom-client'
import t from 'tap'
import { AuditMetrics } from '../../src/audit/metrics.js'

void t.test('names and values as Prometheus reads them', async (t) => {
  const registry = new Registry()
  const metrics = new AuditMetrics(registry)
  metrics.observeEvent()
  metrics.observeEvent()
  metrics.observeLevel('Metadata')
  metrics.observeRejected()
  metrics.observeError('log', 3)
  metrics.observeDropped('buffered', 4)
  metrics.observeBatch('webhook', true)
  metrics.observeBatch('webhook', false)
  metrics.observeDelivery('webhook', 0.02)
  metrics.observeRetry('webhook')
  metrics.observeTruncated('capture')
  let queued = 5
  const hideQueue = metrics.showQueue(
    'log',
    () => queued,
    () => queued * 1000,
  )
  const hideSpool = metrics.showSpool('webhook', () => 77)
  const text = await registry.metrics()
  for (const line of [
    'apiserver_audit_event_total 2',
    'apiserver_audit_level_total{level="Metadata"} 1',
    'apiserver_audit_requests_rejected_total 1',
    'apiserver_audit_error_total{plugin="log"} 3',
    'kube_audit_proxy_audit_dropped_events_total{plugin="buffered"} 4',
    'kube_audit_proxy_audit_batches_total{plugin="webhook",result="success"} 1',
    'kube_audit_proxy_audit_batches_total{plugin="webhook",result="failure"} 1',
    'kube_audit_proxy_audit_delivery_duration_seconds_bucket{le="0.01",plugin="webhook"} 0',
    'kube_audit_proxy_audit_delivery_duration_seconds_bucket{le="0.025",plugin="webhook"} 1',
    'kube_audit_proxy_audit_retries_total{plugin="webhook"} 1',
    'kube_audit_proxy_audit_truncated_total{reason="capture"} 1',
    'kube_audit_proxy_audit_queue_events{plugin="log"} 5',
    'kube_audit_proxy_audit_queue_bytes{plugin="log"} 5000',
    'kube_audit_proxy_audit_spool_bytes{plugin="webhook"} 77',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
  queued = 6
  t.match(await registry.metrics(), 'kube_audit_proxy_audit_queue_events{plugin="log"} 6')
  hideQueue()
  hideSpool()
  t.notMatch(await registry.metrics(), /_(queue_events|queue_bytes|spool_bytes)\{/)
})

void t.test('what can be lost is shown before anything is', async (t) => {
  const registry = new Registry()
  const metrics = new AuditMetrics(registry)
  metrics.showPlugin('log')
  metrics.observeDropped('webhook', 2)
  metrics.showPlugin('webhook')
  const lines = (await registry.metrics()).split('\n')
  for (const line of [
    'apiserver_audit_error_total{plugin="log"} 0',
    'kube_audit_proxy_audit_dropped_events_total{plugin="log"} 0',
    'kube_audit_proxy_audit_dropped_events_total{plugin="webhook"} 2',
    'kube_audit_proxy_audit_truncated_total{reason="capture"} 0',
    'kube_audit_proxy_audit_truncated_total{reason="truncate"} 0',
  ])
    t.ok(lines.includes(line), line)
})

void t.test('each registry has its own', async (t) => {
  const [a, b] = [new Registry(), new Registry()]
  new AuditMetrics(a).observeEvent()
  new AuditMetrics(b)
  t.match(await a.metrics(), 'apiserver_audit_event_total 1')
  t.match(await b.metrics(), 'apiserver_audit_event_total 0')
})
