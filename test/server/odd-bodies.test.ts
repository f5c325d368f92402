import { Agent } from 'node:https'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { bytes, envelope } from '../audit/capture/protobuf/encode.js'
import { byAuditID, waitForEvents } from '../support/audit-log.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const POLICY =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]\nomitStages: [RequestReceived]\n'
const MAP = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"odd"},"data":{"k":"v"}}'
const YAML = 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: odd}\ndata: {k: v}\n'

const PROTOBUF = envelope(
  'v1',
  'ConfigMap',
  bytes(1, bytes(1, 'odd')),
  bytes(2, bytes(1, 'k'), bytes(2, 'v')),
)

/** The encodings that a request may say it has; the body has none. */
const ENCODINGS = [undefined, 'identity', 'gzip', 'br', 'zstd', 'x-nothing', 'gzip, gzip']
const PARAMETERS = [
  '',
  ';stream=watch',
  '; charset=utf-16',
  ';as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
  ';x="',
  ';;',
]

/** Bodies that kube-apiserver reads as the same object whatever they look like. */
const JSON_SHAPES: Readonly<Record<string, string | Buffer>> = {
  plain: MAP,
  padded: `${' '.repeat(70_000)}${MAP}\n\n\t`,
  escaped: MAP.replace('"kind"', '"\\u006bind"'),
  'a null for the data': MAP.replace('}}', '},"data":null}'),
  'twice the data': MAP.replace('}}', '},"data":{"l":"w"}}'),
  'invalid UTF-8': Buffer.concat([
    Buffer.from(MAP.slice(0, -3)),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('"}}'),
  ]),
  deep: MAP.replace('"v"', '['.repeat(9000) + ']'.repeat(9000)),
}
const YAML_SHAPES: Readonly<Record<string, string | Buffer>> = {
  plain: YAML,
  JSON: MAP,
  'two documents': `${YAML}---\na: [\n`,
  'a document end': `# c\n---\n${YAML}...\nrubbish: [`,
  'JSON and rubbish': `${MAP} }]`,
  'UTF-16': Buffer.from(`\ufeff${YAML}`, 'utf16le'),
  'UTF-16, big-endian': Buffer.from(`\ufeff${YAML}`, 'utf16le').swap16(),
  'a byte-order mark': `\ufeff${YAML}`,
  'line separators': YAML.replaceAll('\n', '\u2028'),
  'a quoted line separator': YAML.replace('k: v', 'k: "v\u2028w"'),
  aliases: `x: &a 1\ny: [${'*a, '.repeat(200)}]\n${YAML}`,
  'a block with a line separator': `${YAML}s: |\n  a\u2028  b\n`,
}
const OTHER_SHAPES: Readonly<Record<string, string | Buffer>> = {
  'not what it says': '\0rubbish',
  'really compressed': gzipSync(MAP),
  'a type that is not read': MAP,
}

interface Write {
  readonly what: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
  /** It is the object above, or more than that. */
  readonly read: boolean
}

/** A shape that is marked, and not read. */
const MARKED = 'a block with a line separator'

function* writes(): Generator<Write> {
  const of = (
    method: string,
    type: string,
    encoding: string | undefined,
    [shape, body]: readonly [string, string | Buffer],
    read: boolean,
  ): Write => ({
    what: `${method} ${type} ${encoding ?? ''} ${shape}`,
    method,
    headers: {
      'content-length': String(Buffer.byteLength(body)),
      ...(type === '' ? {} : { 'content-type': type }),
      ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
    },
    body,
    read,
  })
  const patches = ['merge-patch+json', 'strategic-merge-patch+json', 'json-patch+json']
  for (const encoding of ENCODINGS) {
    for (const parameters of PARAMETERS) {
      for (const shape of Object.entries(JSON_SHAPES).slice(0, parameters === '' ? undefined : 4)) {
        yield of('POST', `application/json${parameters}`, encoding, shape, true)
        if (parameters === '') {
          yield of('POST', '', encoding, shape, true)
          yield of('PUT', 'Application/JSON', encoding, shape, true)
          yield of('DELETE', 'application/json', encoding, shape, true)
          for (const patch of patches) yield of('PATCH', `application/${patch}`, encoding, shape, true)
        }
      }
    }
    for (const shape of Object.entries(YAML_SHAPES)) {
      yield of('POST', 'application/yaml;x=y', encoding, shape, shape[0] !== MARKED)
      yield of('PATCH', 'application/apply-patch+yaml', encoding, shape, shape[0] !== MARKED)
    }
    for (const shape of Object.entries(OTHER_SHAPES)) {
      yield of('POST', 'application/json', encoding, ['not what it says', '\0rubbish'], false)
      yield of('POST', 'application/vnd.kubernetes.protobuf', encoding, shape, false)
      yield of('PUT', 'application/x-yaml', encoding, shape, false)
    }
    yield of('POST', 'application/vnd.kubernetes.protobuf;x', encoding, ['plain', PROTOBUF], true)
  }
}

await t.test('a write that is accepted has its object, or says why not', async (t) => {
  const standIn = await StandIn.start({
    policy: POLICY,
    upstream: (req, res) =>
      void req.resume().on('end', () => sendJSON(res, 201, { kind: 'ConfigMap', apiVersion: 'v1' })),
  })
  t.teardown(() => standIn.stop())
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  t.teardown(() => agent.destroy())
  const all = [...writes()]
  t.ok(all.length > 500, String(all.length))
  await Promise.all(
    all.map(({ method, headers, body }, i) => {
      const path = `/api/v1/namespaces/default/configmaps${method === 'POST' ? '' : '/odd'}`
      return standIn.ask(
        path,
        { ...standIn.as(), agent, method, headers: { ...headers, 'audit-id': `w${i}` } },
        body,
      )
    }),
  )
  const events = await waitForEvents(standIn.auditLog, (events) => {
    const found = byAuditID(events)
    return found.size === all.length ? found : undefined
  })
  for (const [i, { what, read }] of all.entries()) {
    const event = events.get(`w${i}`)?.[0]
    const marks = Object.keys(event?.annotations ?? {}).filter((key) => key.includes('request-object'))
    if (read) t.match(event?.requestObject, { kind: 'ConfigMap', metadata: { name: 'odd' } }, what)
    else t.strictSame(marks, ['kube-audit-proxy.io/unread-request-object'], what)
    t.equal(event?.requestObject === undefined, !read, what)
  }
})
