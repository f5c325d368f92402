import { OBJECT_META } from '../policy/object-meta.js'
import { ConfigError } from '../../errors.js'
import { isDNS1123Subdomain } from '../../names.js'
import { parseCertificates } from '../../pem.js'
import { shownURL } from '../../url-text.js'
import { LEVELS, STAGES, type Level, type Stage } from '../event.js'
import { parseDocument, type Field } from '../../yaml-document.js'

/** A receiver that came while the proxy ran: auditregistration.k8s.io/v1alpha1 AuditSink of Kubernetes 1.13 to 1.18. */
export interface AuditSink {
  readonly name: string
  /** All requests are recorded at this level. */
  readonly level: Level
  readonly stages: readonly Stage[]
  /** Batches per second, and how many at once after a pause. */
  readonly throttle: { readonly qps: number; readonly burst: number }
  readonly url: URL
  /** PEM; undefined: the authorities that Node.js trusts. */
  readonly ca: string | undefined
}

/** k8s.io/kubernetes/pkg/apis/auditregistration/v1alpha1/defaults.go. */
const DEFAULT_QPS = 10
const DEFAULT_BURST = 15
const MAX_BURST = 2 ** 31 - 1

/** With a field that objects had while there were AuditSinks. */
const OLD_OBJECT_META = [...OBJECT_META, 'clusterName'] as const

/**
 * Reads a manifest, YAML or JSON, and checks it as k8s.io/kubernetes/pkg/apis/auditregistration/validation did.
 *
 * @param where the file or the object, for messages
 * @throws ConfigError that says what is wrong with the first field that is
 */
export function parseAuditSink(text: string, where: string): AuditSink {
  const root = parseDocument(text, where).object(['apiVersion', 'kind', 'metadata', 'spec', 'status'])
  if (root.apiVersion.string() !== 'auditregistration.k8s.io/v1alpha1')
    root.apiVersion.expected('auditregistration.k8s.io/v1alpha1')
  if (root.kind.string() !== 'AuditSink') root.kind.expected('AuditSink')
  const metadata = root.metadata.object(OLD_OBJECT_META)
  const name = metadata.name.string()
  if (!isDNS1123Subdomain(name)) metadata.name.expected('the name of an object, such as "mysink"')

  const spec = root.spec.object(['policy', 'webhook'])
  const policy = spec.policy.object(['level', 'stages'])
  const level = oneOf(policy.level, LEVELS)
  const stages = policy.stages.list().map((stage) => oneOf(stage, STAGES))
  if (level !== 'None' && stages.length === 0) policy.stages.expected('at least one stage')

  const webhook = spec.webhook.object(['throttle', 'clientConfig'])
  const throttle = webhook.throttle.object(['qps', 'burst'])
  const config = webhook.clientConfig.object(['url', 'service', 'caBundle'])
  return {
    name,
    level,
    stages,
    throttle: {
      qps: positive(throttle.qps) ?? DEFAULT_QPS,
      burst: Math.min(positive(throttle.burst) ?? DEFAULT_BURST, MAX_BURST),
    },
    url: receiver(webhook.clientConfig, config),
    ca: caBundle(config.caBundle, where),
  }
}

type ClientConfig = Record<'url' | 'service' | 'caBundle', Field>

function receiver(parent: Field, { url, service }: ClientConfig): URL {
  const text = url.string()
  const { namespace, name, path, port } = service.object(['namespace', 'name', 'path', 'port'])
  const hasService = name.string() !== '' || namespace.string() !== ''
  if ((text !== '') === hasService) parent.fail('expected exactly one of url and service')
  if (text !== '') return webhookURL(url, text)
  for (const field of [namespace, name]) {
    if (!isDNS1123Subdomain(field.string())) field.expected('the name of an object')
  }
  const number = positive(port) ?? 443
  if (number > 65535) port.expected('a port from 1 to 65535')
  const { pathname } = new URL(path.string() || '/', 'https://service')
  if (path.string() !== '' && pathname !== path.string()) path.expected('a path that begins with "/"')
  // k8s.io/apiserver/pkg/util/webhook/serviceresolver.go
  return new URL(`https://${name.string()}.${namespace.string()}.svc:${number}${pathname}`)
}

/** k8s.io/apiserver/pkg/util/webhook/validation.go ValidateWebhookURL. */
function webhookURL(field: Field, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.hostname === '')
    return field.fail(`found ${shownURL(text)}, expected https://HOST[:PORT][/PATH]`)
  // Not quoted: it has a password in it.
  if (url.username !== '' || url.password !== '') field.fail('found a user in the URL, expected none')
  if (url.search !== '' || url.hash !== '') field.expected('a URL without a query and without a fragment')
  return url
}

function caBundle(field: Field, where: string): string | undefined {
  const text = field.string().replace(/\s+/g, '')
  if (text === '') return undefined
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) field.fail('is not base64')
  const pem = Buffer.from(text, 'base64').toString('utf8')
  parseCertificates(pem, `${where}: ${field.path}`)
  return pem
}

function positive(field: Field): number | undefined {
  const value = field.integer()
  return value === undefined || value > 0 ? value : field.expected('a positive number')
}

function oneOf<T extends string>(field: Field, values: readonly T[]): T {
  const found = field.string()
  return values.find((value) => value === found) ?? field.expected(`one of ${values.join(', ')}`)
}

/** @throws ConfigError where two of them have the same name */
export function checkNames(sinks: readonly { readonly sink: AuditSink; readonly where: string }[]): void {
  const seen = new Map<string, string>()
  for (const { sink, where } of sinks) {
    const other = seen.get(sink.name)
    if (other !== undefined)
      throw new ConfigError(`${where}: metadata.name: found ${sink.name}, which ${other} has already`)
    seen.set(sink.name, where)
  }
}
