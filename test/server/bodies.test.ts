import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { withoutTypeMeta } from '../audit/capture/protobuf/encode.js'
import { bytesOf, readRecording } from '../conformance/recording.js'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { METRICS_FLAG, ProxyMetrics } from '../support/proxy-metrics.js'
import { StandIn, type Answer } from '../support/stand-in.js'
import { Watch } from '../support/watch.js'

const TRUNCATED = 'kube_audit_proxy_audit_truncated_total{reason="capture"}'
const JSON_TYPE = { 'content-type': 'application/json' }

function policy(fields: string): string {
  return `apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\n${fields}\n`
}

interface Reply {
  readonly status?: number
  readonly headers?: OutgoingHttpHeaders
  readonly body: string | Buffer
}

/** What was sent through the proxy, what came out at its ends, and the event of it. */
interface Passed {
  readonly answer: Answer
  /** The body that the upstream received. */
  readonly received: Buffer
  readonly event: LoggedEvent
  /** The event as it is in the log. */
  readonly line: string
}

/** A proxy whose upstream answers each request with what the test gives it. */
class Bodies {
  readonly #replies = new Map<string, Reply>()
  readonly #received = new Map<string, Buffer>()
  /** Changes when the upstream has received a body. */
  readonly arrived = new Watch()
  readonly held: (() => void)[] = []
  hold = false
  standIn!: StandIn
  metrics!: ProxyMetrics
  #next = 0

  static async start(t: Test, policy: string, flags: readonly string[] = []): Promise<Bodies> {
    const bodies = new Bodies()
    bodies.standIn = await StandIn.start({
      policy,
      flags: [METRICS_FLAG, ...flags],
      upstream: (req, res) => void bodies.#serve(req, res),
    })
    t.teardown(() => bodies.standIn.stop())
    bodies.metrics = new ProxyMetrics(bodies.standIn.proxy)
    return bodies
  }

  /** One request through the proxy, without waiting for its event. */
  send(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    body: string | Buffer | undefined,
    reply: Reply,
  ): { id: string; answered: Promise<Answer> } {
    const id = `request-${this.#next++}`
    this.#replies.set(id, reply)
    return { id, answered: this.standIn.ask(path, { method, headers: { ...headers, 'audit-id': id } }, body) }
  }

  async pass(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    body: string | Buffer | undefined,
    reply: Reply,
  ): Promise<Passed> {
    const { id, answered } = this.send(method, path, headers, body, reply)
    const answer = await answered
    const event = await this.event(id)
    return { answer, received: this.#received.get(id) as Buffer, event, line: this.#line(id) }
  }

  /** The last event of a request. */
  event(id: string): Promise<LoggedEvent> {
    return waitForEvents(this.standIn.auditLog, (events) => {
      const last = byAuditID(events).get(id)?.at(-1)
      return last?.stage === 'ResponseComplete' ? last : undefined
    })
  }

  /** The whole audit log and all that the proxy says of itself. */
  async everything(): Promise<string> {
    await this.standIn.proxy.stop()
    return [readFileSync(this.standIn.auditLog, 'utf8'), ...this.standIn.proxy.logLines].join('\n')
  }

  #line(id: string): string {
    const lines = readFileSync(this.standIn.auditLog, 'utf8').split('\n')
    return lines.find((line) => line.includes(`"auditID":"${id}"`)) ?? ''
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const id = String(req.headers['audit-id'])
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    this.#received.set(id, Buffer.concat(chunks))
    const { status = 200, headers = JSON_TYPE, body } = this.#replies.get(id) as Reply
    const answer = (): void => void res.writeHead(status, headers).end(body)
    if (this.hold) this.held.push(answer)
    else answer()
    this.arrived.changed()
  }
}

const HERE = fileURLToPath(new URL('../../../test/conformance/', import.meta.url))
const RECORDED = new Map(readRecording(`${HERE}request-response.jsonl.gz`).map((row) => [row.name, row]))

interface Sample {
  readonly name: string
  readonly type: OutgoingHttpHeaders
  readonly request: string | Buffer
  readonly response: string | Buffer
  readonly responseHeaders?: OutgoingHttpHeaders
  /** As text, in the log. */
  readonly requestObject: string
  readonly responseObject: string
}

const object = (members: string): string => `{"kind":"ConfigMap","apiVersion":"v1",${members}}`
const HARD = `"n":9007199254740993,"m":1e21,"z":-0.0,"s":"\\u2028\\ud83d\\ude00"`

function samples(): Sample[] {
  const created = RECORDED.get('protobuf-configmap-create')
  if (created?.request.body === undefined || created.response.body === undefined)
    throw new Error('not recorded')
  const protobuf = { 'content-type': 'application/vnd.kubernetes.protobuf' }
  const yaml = { 'content-type': 'application/yaml' }
  return [
    {
      name: 'JSON',
      type: JSON_TYPE,
      request: `{ "kind":"ConfigMap",\n "apiVersion":"v1", ${HARD},\t"u":"\u2028<é>" }\n`,
      response: object(`${HARD},"from":"upstream"`),
      requestObject: object(`${HARD},"u":"\\u2028\\u003cé\\u003e"`),
      responseObject: object(`${HARD},"from":"upstream"`),
    },
    {
      name: 'duplicate keys, of which the last one counts',
      type: JSON_TYPE,
      request: object('"data":{"a":"first","b":"b","a":"last"}'),
      response: object('"x":1,"x":2'),
      requestObject: object('"data":{"a":"last","b":"b"}'),
      responseObject: object('"x":2'),
    },
    {
      name: 'YAML',
      type: yaml,
      request:
        'kind: ConfigMap\napiVersion: v1\nnumber: 9007199254740993\ndata:\n  a: "1"\n  b: |\n    two\n    lines\n',
      response: '# from upstream\nkind: ConfigMap\napiVersion: v1\nlist: [1, "two", null]\n',
      responseHeaders: yaml,
      requestObject: '',
      responseObject: '',
    },
    {
      name: 'gzip',
      type: JSON_TYPE,
      request: object('"a":1'),
      response: gzipSync(object('"big":"' + 'x'.repeat(2000) + '"')),
      responseHeaders: { ...JSON_TYPE, 'content-encoding': 'gzip' },
      requestObject: object('"a":1'),
      responseObject: object('"big":"' + 'x'.repeat(2000) + '"'),
    },
    {
      name: 'protobuf',
      type: protobuf,
      request: bytesOf(created.request.body),
      response: bytesOf(created.response.body),
      responseHeaders: protobuf,
      requestObject: '',
      responseObject: '',
    },
    {
      name: 'protobuf of a client that leaves the kind to the apiserver',
      type: protobuf,
      request: withoutTypeMeta(bytesOf(created.request.body)),
      response: bytesOf(created.response.body),
      responseHeaders: protobuf,
      requestObject: '',
      responseObject: '',
    },
  ]
}

await t.test('objects at each level', async (t) => {
  const bodies = await Bodies.start(
    t,
    policy(`rules:
- {level: Metadata, namespaces: [metadata]}
- {level: Request, namespaces: [request]}
- {level: RequestResponse}`),
  )
  for (const sample of samples()) {
    for (const level of ['metadata', 'request', 'request-response']) {
      await t.test(`${sample.name} at level ${level}`, async (t) => {
        const { request, response, requestObject, responseObject } = sample
        const path = `/api/v1/namespaces/${level}/configmaps`
        const passed = await bodies.pass('POST', path, sample.type, request, {
          status: 201,
          headers: sample.responseHeaders ?? JSON_TYPE,
          body: response,
        })
        t.ok(passed.received.equals(Buffer.from(request)), 'the request travels as it is')
        t.ok(passed.answer.body.equals(Buffer.from(response)), 'and so does the response')
        const { event, line } = passed
        const withRequest = level !== 'metadata'
        const withResponse = level === 'request-response'
        t.equal(event.requestObject !== undefined, withRequest)
        t.equal(event.responseObject !== undefined, withResponse)
        t.equal(event.annotations, undefined)
        const rest = `,"requestReceivedTimestamp"`
        if (withRequest && requestObject !== '')
          t.ok(line.includes(`,"requestObject":${requestObject},"re`), line)
        if (withResponse && responseObject !== '')
          t.ok(line.includes(`,"responseObject":${responseObject}${rest}`), line)
        if (sample.name === 'YAML' && withRequest) {
          t.match(line, /"number":9007199254740993[,}]/)
          t.match(event.requestObject, { kind: 'ConfigMap', data: { a: '1', b: 'two\nlines\n' } })
        }
        if (sample.name === 'YAML' && withResponse)
          t.match(event.responseObject, { kind: 'ConfigMap', list: [1, 'two', null] })
        const isProtobuf = sample.name.startsWith('protobuf')
        if (isProtobuf && withRequest)
          t.match(event.requestObject, { kind: 'ConfigMap', metadata: { name: 'pb' }, data: Object })
        const uid = String(RECORDED.get('protobuf-configmap-create')?.events.at(-1)?.objectRef?.['uid'] ?? '')
        if (isProtobuf && withResponse)
          t.match(event.responseObject, { kind: 'ConfigMap', metadata: { name: 'pb', uid: uid || String } })
      })
    }
  }
})

await t.test('a body larger than --audit-max-body-size', async (t) => {
  const bodies = await Bodies.start(t, policy('rules: [{level: RequestResponse}]'), [
    '--audit-max-body-size=1000',
  ])
  const small = object('"size":"small"')
  const large = object(`"size":"${'x'.repeat(300_000)}"`)
  const left = (kind: string): Record<string, string> => ({
    'audit.k8s.io/truncated': 'true',
    [`kube-audit-proxy.io/truncated-${kind}-object`]: 'body larger than 1000 bytes',
  })
  const packed = { body: gzipSync(large), headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } }
  const rows: [name: string, request: string, reply: Reply, annotations: object | undefined][] = [
    ['neither', small, { body: small }, undefined],
    ['the request', large, { body: small }, left('request')],
    ['the response', small, { body: large }, left('response')],
    ['the response, which is small while compressed', small, packed, left('response')],
    ['both', large, { body: large }, { ...left('request'), ...left('response') }],
  ]
  for (const [name, request, reply, annotations] of rows) {
    await t.test(name, async (t) => {
      const path = '/api/v1/namespaces/default/configmaps'
      const { answer, received, event } = await bodies.pass('POST', path, JSON_TYPE, request, reply)
      t.ok(received.equals(Buffer.from(request)))
      t.ok(answer.body.equals(Buffer.from(reply.body)))
      t.strictSame(event.annotations, annotations)
      t.equal(event.requestObject === undefined, request === large)
      t.equal(event.responseObject === undefined, reply.body !== small)
    })
  }
  t.equal((await bodies.metrics.scrape()).get(TRUNCATED), 5)
})

await t.test('bodies in flight beyond --audit-max-capture-memory', async (t) => {
  const bodies = await Bodies.start(t, policy('rules: [{level: Request}]'), [
    '--audit-max-capture-memory=10000',
  ])
  const body = object(`"x":"${'y'.repeat(4000)}"`)
  const send = () => bodies.send('POST', '/api/v1/namespaces/default/configmaps', JSON_TYPE, body, { body })
  bodies.hold = true
  const sent: { id: string; answered: Promise<Answer> }[] = []
  for (let i = 0; i < 10; i++) {
    sent.push(send())
    await bodies.arrived.until(() => bodies.held.length === i + 1)
  }
  bodies.hold = false
  for (const answer of bodies.held) answer()
  for (const [i, { id, answered }] of sent.entries()) {
    t.ok((await answered).body.equals(Buffer.from(body)), 'the stream is not affected')
    const event = await bodies.event(id)
    t.equal(event.requestObject !== undefined, i >= 8)
    t.strictSame(
      event.annotations,
      i >= 8
        ? undefined
        : {
            'audit.k8s.io/truncated': 'true',
            'kube-audit-proxy.io/truncated-request-object': 'captures in flight over 10000 bytes',
          },
    )
  }
  t.equal((await bodies.metrics.scrape()).get(TRUNCATED), 8)
  const { id, answered } = send()
  await answered
  t.match(await bodies.event(id), { requestObject: { kind: 'ConfigMap' } }, 'what was held is free again')
})

const OLD = 'hunter2-the-old-password'
const NEW = 'correct-horse-battery-staple'
const TOKEN = 'eyJhbGciOiJub25lIn0.issued-token.signature'
const REVIEWED = 'a-token-under-review'
const SECRETS = '/api/v1/namespaces/default/secrets'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const secret = (fields: object): string =>
  JSON.stringify({ kind: 'Secret', apiVersion: 'v1', metadata: { name: 's' }, ...fields })

/** Everything that carries credentials, through the proxy. */
async function passCredentials(bodies: Bodies) {
  const created = secret({ data: { password: base64(OLD), same: base64(OLD) } })
  const updated = secret({ stringData: { password: NEW, same: OLD } })
  const patchType = (type: string) => ({ 'content-type': `application/${type}` })
  const list = { kind: 'SecretList', apiVersion: 'v1', items: [JSON.parse(created), JSON.parse(updated)] }
  const table = {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    columnDefinitions: [],
    rows: [{ cells: ['s'], object: JSON.parse(created) as object }],
  }
  const applied = secret({
    metadata: {
      name: 's',
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': updated },
    },
  })
  const status = JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `Secret in version "v1" cannot be handled as a Secret: illegal base64 data, error found in #10 byte of ...|":"${OLD}"}}|..., bigger context ...|{"password":"${OLD}"}}|...`,
    reason: 'BadRequest',
    code: 400,
  })
  const review = { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', spec: { token: REVIEWED } }
  const create = await bodies.pass('POST', SECRETS, JSON_TYPE, created, { status: 201, body: created })
  const update = await bodies.pass('PUT', `${SECRETS}/s`, JSON_TYPE, updated, { body: updated })
  const others = [
    [
      'PATCH',
      `${SECRETS}/s`,
      patchType('merge-patch+json'),
      JSON.stringify({ stringData: { password: NEW } }),
      created,
    ],
    [
      'PATCH',
      `${SECRETS}/s`,
      patchType('json-patch+json'),
      JSON.stringify([{ op: 'replace', path: '/data/password', value: base64(NEW) }]),
      created,
    ],
    [
      'PATCH',
      `${SECRETS}/s?fieldManager=me`,
      patchType('apply-patch+yaml'),
      `kind: Secret\napiVersion: v1\nstringData:\n  password: ${NEW}\n`,
      created,
    ],
    ['PATCH', `${SECRETS}/s`, patchType('strategic-merge-patch+json'), applied, applied],
    [
      'POST',
      SECRETS,
      { 'content-type': 'application/yaml' },
      `kind: Secret\napiVersion: v1\ndata:\n  password: ${base64(OLD)}\n`,
      created,
    ],
    ['GET', SECRETS, {}, undefined, JSON.stringify(list)],
    ['GET', '/api/v1/secrets', {}, undefined, JSON.stringify(table)],
    [
      'POST',
      '/api/v1/namespaces/default/serviceaccounts/default/token',
      JSON_TYPE,
      '{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}',
      JSON.stringify({
        kind: 'TokenRequest',
        apiVersion: 'authentication.k8s.io/v1',
        spec: {},
        status: { token: TOKEN, expirationTimestamp: null },
      }),
    ],
    [
      'POST',
      '/apis/authentication.k8s.io/v1/tokenreviews',
      JSON_TYPE,
      JSON.stringify(review),
      JSON.stringify({ ...review, status: { authenticated: true, user: { username: 'bob' } } }),
    ],
  ] as const
  for (const [method, path, headers, request, body] of others) {
    const { answer, event } = await bodies.pass(method, path, headers, request, { body })
    if (answer.body.toString() !== body) throw new Error(`${path}: the client got something else`)
    if (event.responseObject === undefined || (request !== undefined && event.requestObject === undefined))
      throw new Error(`${method} ${path}: there is nothing to find a credential in`)
  }
  await bodies.pass('POST', SECRETS, JSON_TYPE, created, { status: 400, body: status })
  return { create: create.event, update: update.event }
}

const CREDENTIALS = [OLD, NEW, TOKEN, REVIEWED].flatMap((value) => [value, base64(value)])

await t.test('credentials are redacted', async (t) => {
  const bodies = await Bodies.start(t, policy('rules: [{level: RequestResponse}]'))
  const { create, update } = await passCredentials(bodies)
  const before = (create.requestObject as { data: Record<string, string> }).data
  const after = (update.requestObject as { stringData: Record<string, string> }).stringData
  for (const value of [...Object.values(before), ...Object.values(after)])
    t.match(value, /^redacted:hmac-sha256:[0-9a-f]{16}$/)
  t.equal(before['same'], before['password'], 'equal values have equal markers')
  t.equal(after['same'], before['same'], 'from one request to the next, too')
  t.not(after['password'], before['password'], 'a change shows')
  t.strictSame((create.responseObject as { data: object }).data, before)

  const everything = await bodies.everything()
  t.ok(everything.includes('/serviceaccounts/default/token'))
  for (const value of CREDENTIALS) t.notOk(everything.includes(value), `${value} is nowhere`)
})

await t.test('--audit-redact=false', async (t) => {
  const bodies = await Bodies.start(t, policy('rules: [{level: RequestResponse}]'), ['--audit-redact=false'])
  const { create } = await passCredentials(bodies)
  t.strictSame((create.requestObject as { data: object }).data, { password: base64(OLD), same: base64(OLD) })
  const everything = await bodies.everything()
  for (const value of [OLD, base64(OLD), NEW, base64(NEW), TOKEN, REVIEWED])
    t.ok(everything.includes(value), `${value} is there`)
})

await t.test('omitManagedFields', async (t) => {
  const managed = (name: string): object => ({
    metadata: { name, managedFields: [{ manager: 'me', operation: 'Update' }], labels: { a: 'b' } },
  })
  const one = { kind: 'ConfigMap', apiVersion: 'v1', ...managed('one') }
  const list = { kind: 'ConfigMapList', apiVersion: 'v1', metadata: {}, items: [managed('a'), managed('b')] }
  const table = {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    rows: [{ cells: ['a'], object: managed('a') }],
  }
  const without = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (key, v: unknown) => (key === 'managedFields' ? undefined : v)))
  for (const omit of [true, false]) {
    await t.test(String(omit), async (t) => {
      const bodies = await Bodies.start(
        t,
        policy(`omitManagedFields: ${omit}\nrules: [{level: RequestResponse}]`),
      )
      const path = '/api/v1/namespaces/default/configmaps'
      for (const [name, response] of Object.entries({ one, list, table })) {
        const { event, answer } = await bodies.pass('GET', path, {}, undefined, {
          body: JSON.stringify(response),
        })
        t.strictSame(event.responseObject, omit ? without(response) : response, name)
        t.strictSame(JSON.parse(answer.body.toString()), response, 'the client gets it all')
      }
      const { event } = await bodies.pass('PUT', `${path}/one`, JSON_TYPE, JSON.stringify(one), {
        body: JSON.stringify(one),
      })
      t.strictSame(event.requestObject, omit ? without(one) : one, 'in the request')
    })
  }
})
