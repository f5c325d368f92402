import t from 'tap'
import { parseAuditSink } from '../../../src/audit/sink/audit-sink.js'
import { PKI } from '../../support/pki.js'
import { base64 } from '../../support/webhook.js'

const manifest = (spec: string, name = 'mysink') =>
  `apiVersion: auditregistration.k8s.io/v1alpha1\nkind: AuditSink\nmetadata: {name: ${name}, labels: {a: b}}\nspec: ${spec}\n`
const POLICY = 'policy: {level: Metadata, stages: [ResponseComplete]}'
const URL_ = 'clientConfig: {url: "https://audit.app"}'

void t.test('a manifest of the Kubernetes documentation', (t) => {
  const ca = new PKI(t.testdir()).ca('ca')
  const sink = parseAuditSink(
    `apiVersion: auditregistration.k8s.io/v1alpha1
kind: AuditSink
metadata:
  name: mysink
spec:
  policy:
    level: Metadata
    stages:
    - ResponseComplete
  webhook:
    throttle:
      qps: 10
      burst: 15
    clientConfig:
      url: "https://audit.app"
      caBundle: ${base64(ca.cert)}
`,
    'sink.yaml',
  )
  t.strictSame(
    { ...sink, url: sink.url.href },
    {
      name: 'mysink',
      level: 'Metadata',
      stages: ['ResponseComplete'],
      throttle: { qps: 10, burst: 15 },
      url: 'https://audit.app/',
      ca: ca.cert,
    },
  )
  t.end()
})

void t.test('defaults, and a service', (t) => {
  const parse = (webhook: string) => parseAuditSink(manifest(`{${POLICY}, webhook: {${webhook}}}`), 's')
  t.strictSame(parse(URL_).throttle, { qps: 10, burst: 15 })
  t.strictSame(parse(`throttle: {qps: 3}, ${URL_}`).throttle, { qps: 3, burst: 15 })
  t.strictSame(parse(`throttle: {burst: 4}, ${URL_}`).throttle, { qps: 10, burst: 4 })
  const service = (fields: string) => parse(`clientConfig: {service: {${fields}}}`).url.href
  t.equal(service('namespace: audit, name: sink'), 'https://sink.audit.svc/')
  t.equal(
    service('namespace: audit, name: sink, port: 8443, path: /v1/events'),
    'https://sink.audit.svc:8443/v1/events',
  )
  t.strictSame(parseAuditSink(manifest(`{policy: {level: None}, webhook: {${URL_}}}`), 's').stages, [])
  t.end()
})

void t.test('mistakes are named', (t) => {
  const table: [spec: string, message: string][] = [
    [
      '{}',
      's: spec.policy.level (line 4): found nothing, expected one of None, Metadata, Request, RequestResponse',
    ],
    [
      `{policy: {level: All}, webhook: {${URL_}}}`,
      's: spec.policy.level (line 4): found "All", expected one of ',
    ],
    [
      `{policy: {level: Metadata}, webhook: {${URL_}}}`,
      's: spec.policy.stages (line 4): found nothing, expected at least one stage',
    ],
    [
      `{policy: {level: Metadata, stages: [Done]}, webhook: {${URL_}}}`,
      's: spec.policy.stages[0] (line 4): found "Done", expected one of ',
    ],
    [
      `{${POLICY}, webhook: {}}`,
      's: spec.webhook.clientConfig (line 4): expected exactly one of url and service',
    ],
    [
      `{${POLICY}, webhook: {clientConfig: {url: "https://a", service: {name: a, namespace: b}}}}`,
      'exactly one of',
    ],
    [
      `{${POLICY}, webhook: {clientConfig: {url: "ftp://a"}}}`,
      'found "ftp://a", expected https://HOST[:PORT][/PATH]',
    ],
    [
      `{${POLICY}, webhook: {clientConfig: {url: "https://a:secret@b"}}}`,
      'found a user in the URL, expected none',
    ],
    [`{${POLICY}, webhook: {clientConfig: {url: "https://a?b"}}}`, 'expected a URL without a query'],
    [
      `{${POLICY}, webhook: {clientConfig: {service: {name: a}}}}`,
      'clientConfig.service.namespace (line 4): found nothing, expected the name',
    ],
    [
      `{${POLICY}, webhook: {clientConfig: {service: {name: a, namespace: b, port: 70000}}}}`,
      'expected a port from 1 to 65535',
    ],
    [
      `{${POLICY}, webhook: {clientConfig: {service: {name: a, namespace: b, path: x}}}}`,
      'expected a path that begins',
    ],
    [
      `{${POLICY}, webhook: {throttle: {qps: 0}, ${URL_}}}`,
      'throttle.qps (line 4): found 0, expected a positive number',
    ],
    [`{${POLICY}, webhook: {throttle: {burst: "1"}, ${URL_}}}`, 'found "1", expected a whole number'],
    [
      `{${POLICY}, webhook: {clientConfig: {url: "https://a", caBundle: "?"}}}`,
      'caBundle (line 4): is not base64',
    ],
    [`{${POLICY}, webhook: {clientConfig: {url: "https://a", caBundle: "eA=="}}}`, 'no certificate found'],
    [`{${POLICY}, webhook: {${URL_}}, sinks: 1}`, 'found the unknown field "sinks"'],
  ]
  for (const [spec, message] of table) t.throws(() => parseAuditSink(manifest(spec), 's'), { message }, spec)
  t.throws(() => parseAuditSink(manifest('{}', 'My_Sink'), 's'), { message: 'metadata.name' })
  t.throws(() => parseAuditSink('kind: AuditSink', 's'), { message: 'apiVersion' })
  t.notMatch(
    messageOf(() =>
      parseAuditSink(manifest(`{${POLICY}, webhook: {clientConfig: {url: "https://a:secret@b"}}}`), 's'),
    ),
    'secret',
  )
  t.end()
})

function messageOf(f: () => unknown): string {
  try {
    f()
  } catch (err) {
    return (err as Error).message
  }
  throw new Error('it did not throw')
}
