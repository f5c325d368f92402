import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { valueType } from '../../src/cli/flag.js'
import { newestApiserver } from '../support/apiservers.js'
import { FLAGS } from '../support/flags.js'

/** Whose flags these are. */
const VERSION = '1.37'
const apiserver = newestApiserver()

/** kube-apiserver's flags that the proxy does not have, by the reason. */
const NOT_HERE: Readonly<Record<string, readonly string[]>> = {
  'the apiserver admits and authorizes what reaches it': [
    ...['admission-control', 'admission-control-config-file', 'enable-admission-plugins'],
    ...['disable-admission-plugins', 'default-not-ready-toleration-seconds', 'allow-privileged'],
    ...['default-unreachable-toleration-seconds', 'authorization-config', 'authorization-mode'],
    ...['authorization-policy-file', 'authorization-webhook-cache-authorized-ttl'],
    ...['authorization-webhook-cache-unauthorized-ttl', 'authorization-webhook-config-file'],
    'authorization-webhook-version',
  ],
  'the proxy stores nothing of the cluster': [
    ...['delete-collection-workers', 'enable-garbage-collector', 'encryption-provider-config'],
    ...['encryption-provider-config-automatic-reload', 'etcd-cafile', 'etcd-certfile', 'etcd-keyfile'],
    ...['etcd-compaction-interval', 'etcd-count-metric-poll-period', 'etcd-db-metric-poll-interval'],
    ...['etcd-healthcheck-timeout', 'etcd-prefix', 'etcd-readycheck-timeout', 'etcd-servers'],
    ...['etcd-servers-overrides', 'event-ttl', 'lease-reuse-duration-seconds', 'storage-backend'],
    ...['storage-initialization-timeout', 'storage-media-type', 'watch-cache', 'watch-cache-sizes'],
  ],
  'the proxy serves no API of its own, and changes with no version of it': [
    ...['emulated-version', 'emulation-forward-compatible', 'feature-gates', 'min-compatibility-version'],
    ...['runtime-config', 'runtime-config-emulation-forward-compatible', 'external-hostname'],
    ...['aggregator-reject-forwarding-redirect', 'enable-aggregator-routing', 'enable-logs-handler'],
    ...['profiling', 'contention-profiling', 'debug-socket-path'],
  ],
  'the proxy is no member of the control plane': [
    ...['advertise-address', 'endpoint-reconciler-type', 'coordinated-leadership-lease-duration'],
    ...['coordinated-leadership-renew-deadline', 'coordinated-leadership-retry-period'],
    ...['peer-advertise-ip', 'peer-advertise-port', 'peer-ca-file', 'kubernetes-service-node-port'],
    ...['service-cluster-ip-range', 'service-node-port-range', 'egress-selector-config-file'],
    ...['kubelet-certificate-authority', 'kubelet-client-certificate', 'kubelet-client-key'],
    ...['kubelet-preferred-address-types', 'kubelet-timeout'],
  ],
  'the proxy issues no tokens': [
    ...['service-account-extend-token-expiration', 'service-account-jwks-uri'],
    ...['service-account-max-token-expiration', 'service-account-signing-endpoint'],
    'service-account-signing-key-file',
  ],
  'who else knows tokens is asked by the apiserver, when TokenReview asks it': [
    ...['authentication-token-webhook-config-file', 'authentication-token-webhook-version'],
  ],
  'how long and how many at once is for the apiserver to say, whose answers these are': [
    ...['enable-priority-and-fairness', 'livez-grace-period', 'max-connection-bytes-per-sec'],
    ...['max-mutating-requests-inflight', 'max-requests-inflight', 'min-request-timeout'],
  ],
  'headers of responses pass as the apiserver sends them': [
    ...['cors-allowed-origins', 'strict-transport-security-directives'],
  ],
  'the log is --log-level and --log-format': [
    ...['log-flush-frequency', 'log-json-info-buffer-size', 'log-json-split-stream', 'logging-format'],
    ...['log-text-info-buffer-size', 'log-text-split-stream', 'v', 'vmodule'],
  ],
  'metrics are the proxy’s own': [
    ...['allow-metric-labels', 'allow-metric-labels-manifest', 'disabled-metrics'],
    'show-hidden-metrics-for-version',
  ],
  'no spans are made': ['tracing-config-file'],
  'no certificate is made: --tls-cert-file is required': ['cert-dir'],
  'Node.js sets SO_REUSEADDR on every listening socket': ['permit-address-sharing'],
  'a client that wants HTTP/1.1 says so itself': ['disable-http2-serving'],
  'its numbers are those of Go’s library': ['tls-curve-preferences'],
}

/** Flags of the proxy that kube-apiserver does not have, by the reason. */
const OURS: Readonly<Record<string, readonly string[]>> = {
  'kube-apiserver had it until 1.19': ['audit-dynamic-configuration'],
  'other components of Kubernetes have it': [
    ...['kubeconfig', 'authentication-kubeconfig', 'config', 'healthz-bind-address', 'metrics-bind-address'],
  ],
  'the apiserver is another process': ['client-certificate-credential-id', 'audit-sink-directory'],
  'bounds of memory and of what is recorded': [
    ...['audit-log-batch-buffer-bytes', 'audit-webhook-batch-buffer-bytes', 'audit-max-body-size'],
    ...['audit-max-capture-memory', 'audit-redact', 'audit-refused-bodies'],
  ],
  'no event is lost': [
    ...['audit-webhook-spool-directory', 'audit-webhook-spool-max-size', 'readyz-audit-grace-period'],
    'shutdown-timeout',
  ],
  'kube-apiserver seals nothing': [
    ...['audit-seal-anchor', 'audit-seal-interval', 'audit-seal-key-file', 'audit-seal-strict'],
  ],
  'kube-apiserver records no session': [
    ...['compress', 'input', 'max-age', 'max-bytes', 'max-total', 'mode', 'path', 'policy-file'].map(
      (name) => `session-recording-${name}`,
    ),
  ],
  'kube-apiserver checks no revocation': ['client-ca-crl-file'],
  'Node.js': ['workers', 'log-format', 'log-level'],
}

/** Flags whose type or default are other ones, by the reason. */
const OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  'as of the components that delegate (k8s.io/apiserver DelegatingAuthenticationOptions)': [
    ...['authentication-token-webhook-cache-ttl', 'requestheader-username-headers'],
    ...['requestheader-uid-headers', 'requestheader-group-headers', 'requestheader-extra-headers-prefix'],
  ],
  'each is CLAIM=VALUE, as there': ['oidc-required-claim'],
  'there is one version to show': ['version'],
}

interface Shown {
  readonly type: string
  /** As the help prints it; undefined where it prints none. */
  readonly default: string | undefined
}

/** The flags that a help names, in the form of pflag. */
function readHelp(help: string): Map<string, Shown> {
  const texts = new Map<string, { type: string; text: string }>()
  let current: { type: string; text: string } | undefined
  for (const line of help.split('\n')) {
    const match = /^ {2}(?: {4}|-\w, )--([a-z0-9-]+)(?: (\S+))? {2,}(.*)$/.exec(line)
    if (match !== null) {
      current = { type: match[2] ?? '', text: match[3] ?? '' }
      texts.set(match[1] as string, current)
    } else if (current !== undefined && /^ {20}/.test(line)) current.text += ` ${line.trim()}`
    else current = undefined
  }
  return new Map(
    [...texts].map(([name, { type, text }]) => [
      name,
      { type, default: / \(default (.*)\)$/.exec(text)?.[1] },
    ]),
  )
}

async function kubeAPIServer(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(join(apiserver.dir, 'kube-apiserver'), args, {
    maxBuffer: 1 << 24,
  })
  return stdout
}

function skip(): string | false {
  if (apiserver.skip !== false || apiserver.version.startsWith(`${VERSION}.`)) return apiserver.skip
  return `the flags are those of ${VERSION}, this is ${apiserver.version}`
}

const listed = (table: Readonly<Record<string, readonly string[]>>) => Object.values(table).flat().sort()

await t.test('flags, types and defaults are kube-apiserver’s', { skip: skip() }, async (t) => {
  const theirs = readHelp(await kubeAPIServer('--help'))
  t.ok(theirs.size > 150, `${theirs.size} flags in the help`)
  const ours = new Map(
    FLAGS.map((flag): [string, Shown] => {
      const type = valueType(flag)
      return [flag.name, { type: type.label, default: type.formatDefault(flag.default) }]
    }),
  )
  t.strictSame([...theirs.keys()].filter((name) => !ours.has(name)).sort(), listed(NOT_HERE))
  t.strictSame([...ours.keys()].filter((name) => !theirs.has(name)).sort(), listed(OURS))
  const otherwise: string[] = []
  for (const [name, flag] of ours) {
    const their = theirs.get(name)
    if (their === undefined) continue
    if (listed(OTHERWISE).includes(name)) {
      t.notSame(flag, their, `${name} is still another one`)
      otherwise.push(name)
    } else t.strictSame(flag, their, name)
  }
  t.strictSame(otherwise.sort(), listed(OTHERWISE))
})
