import { execFile, execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { stringify } from 'yaml'

const run = promisify(execFile)
const RULES = fileURLToPath(new URL('../../../config/prometheus-rules.yaml', import.meta.url))
const PROMTOOL = process.env['PROMTOOL'] || 'promtool'

/** Why the rules cannot be tried, for tap's `skip`. */
function skip(): string | false {
  try {
    execFileSync(PROMTOOL, ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'there is no promtool, in PATH or by the name of PROMTOOL'
  }
}

/** For each alert series of a minute a sample: in `fires` it is raised after an hour, in `healthy` it is not. */
const CASES: Record<string, { fires: Record<string, string>; healthy: Record<string, string> }> = {
  AuditEventsLost: {
    fires: { 'apiserver_audit_error_total{plugin="log"}': '0x57 3x10' },
    healthy: { 'apiserver_audit_error_total{plugin="log"}': '0x20 3x60' },
  },
  AuditSpoolDamaged: {
    fires: { 'kube_audit_proxy_audit_spool_damaged_segments_total{plugin="webhook"}': '1x70' },
    healthy: { 'kube_audit_proxy_audit_spool_damaged_segments_total{plugin="webhook"}': '0x70' },
  },
  AuditRejectsRequests: {
    fires: { apiserver_audit_requests_rejected_total: '0x57 1x10' },
    healthy: { apiserver_audit_requests_rejected_total: '7x70' },
  },
  AuditBackendFails: {
    fires: {
      'kube_audit_proxy_audit_batches_total{plugin="webhook",result="failure"}': '0+2x70',
      'kube_audit_proxy_audit_batches_total{plugin="webhook",result="success"}': '0+8x70',
    },
    healthy: {
      'kube_audit_proxy_audit_batches_total{plugin="webhook",result="failure"}': '0+1x70',
      'kube_audit_proxy_audit_batches_total{plugin="webhook",result="success"}': '0+20x70',
    },
  },
  AuditWebhookFails: {
    fires: {
      'kube_audit_proxy_audit_retries_total{plugin="webhook"}': '0+1x70',
      'kube_audit_proxy_audit_batches_total{plugin="webhook",result="success"}': '9x70',
    },
    healthy: {
      'kube_audit_proxy_audit_retries_total{plugin="webhook"}': '0+1x70',
      'kube_audit_proxy_audit_batches_total{plugin="webhook",result="success"}': '0+1x70',
    },
  },
  AuditBackendSlow: {
    fires: {
      'kube_audit_proxy_audit_delivery_duration_seconds_bucket{plugin="log",le="1"}': '0x70',
      'kube_audit_proxy_audit_delivery_duration_seconds_bucket{plugin="log",le="2.5"}': '0+9x70',
      'kube_audit_proxy_audit_delivery_duration_seconds_bucket{plugin="log",le="+Inf"}': '0+9x70',
    },
    healthy: {
      'kube_audit_proxy_audit_delivery_duration_seconds_bucket{plugin="log",le="0.5"}': '0+9x70',
      'kube_audit_proxy_audit_delivery_duration_seconds_bucket{plugin="log",le="+Inf"}': '0+9x70',
    },
  },
  AuditQueueFills: {
    fires: { 'kube_audit_proxy_audit_queue_events{plugin="webhook"}': '5001x70' },
    healthy: {
      'kube_audit_proxy_audit_queue_events{plugin="webhook"}': '5000x70',
      'kube_audit_proxy_audit_queue_bytes{plugin="webhook"}': '1000000x70',
    },
  },
  AuditSpoolFills: {
    fires: { 'kube_audit_proxy_audit_spool_bytes{plugin="webhook"}': '900000000x70' },
    healthy: { 'kube_audit_proxy_audit_spool_bytes{plugin="webhook"}': '16000000x70' },
  },
  AuditLogNotSealed: {
    fires: { 'kube_audit_proxy_audit_seal_checkpoint_age_seconds{plugin="log"}': '61x70' },
    healthy: { 'kube_audit_proxy_audit_seal_checkpoint_age_seconds{plugin="log"}': '10x70' },
  },
  NoAuditEvents: {
    fires: {
      apiserver_audit_event_total: '5x70',
      'apiserver_audit_level_total{level="Metadata"}': '0+1x70',
    },
    healthy: {
      apiserver_audit_event_total: '5x70',
      'apiserver_audit_level_total{level="Metadata"}': '5x70',
      'apiserver_audit_level_total{level="None"}': '0+9x70',
    },
  },
  AuditProxyCertificateExpires: {
    fires: { 'kube_audit_proxy_certificate_expiration_seconds{file="tls-cert-file"}': '1000000x70' },
    healthy: { 'kube_audit_proxy_certificate_expiration_seconds{file="tls-cert-file"}': '2000000x70' },
  },
  AuditProxyReloadFailed: {
    fires: { 'kube_audit_proxy_config_reload_total{file="tls-cert-file",result="failure"}': '0x55 1x10' },
    healthy: { 'kube_audit_proxy_config_reload_total{file="tls-cert-file",result="success"}': '0+1x70' },
  },
  AuditProxyDown: {
    fires: { 'up{job="kube-audit-proxy"}': '1x50 0x20' },
    healthy: { 'up{job="kube-audit-proxy"}': '1x70', 'up{job="other"}': '0x70' },
  },
}

void t.test('promtool accepts the alerts', { skip: skip() }, async (t) => {
  const { stdout } = await run(PROMTOOL, ['check', 'rules', RULES])
  t.match(stdout, new RegExp(`SUCCESS: ${Object.keys(CASES).length} rules found`))
})

void t.test('each alert is raised when it should be, and not before', { skip: skip() }, async (t) => {
  const file = join(t.testdir(), 'cases.yaml')
  const series = (all: Record<string, string>) =>
    Object.entries(all).map(([series, values]) => ({ series, values }))
  for (const [name, { fires, healthy }] of Object.entries(CASES)) {
    // promtool compares whole alerts; that there is one is asked of Prometheus' own series about them.
    const expr = `count(ALERTS{alertname="${name}",alertstate="firing"}) or vector(0)`
    const test = (input: Record<string, string>, value: number) => ({
      interval: '1m',
      input_series: series(input),
      promql_expr_test: [{ expr, eval_time: '1h', exp_samples: [{ labels: '{}', value }] }],
    })
    const tests = [test(fires, 1), test(healthy, 0)]
    writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }))
    const failure = await run(PROMTOOL, ['test', 'rules', file]).then(
      () => '',
      (err: { stdout: string; stderr: string }) => err.stdout + err.stderr,
    )
    t.equal(failure, '', name)
  }
})
