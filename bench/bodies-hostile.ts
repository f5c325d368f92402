// How long a body that is made to be slow to read delays somebody else's small request, at level RequestResponse; how long it
// keeps the thread busy that serves requests (which is what such a delay is where the machine has nothing else to do), and all
// threads together. The first row is a body that nobody reads.
// usage: node build/bench/bodies-hostile.js [PART OF A NAME]
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { ask } from './load.js'
import { usage } from './compare/process.js'
import { bytes, envelope } from '../test/audit/capture/protobuf/encode.js'
import { byAuditID, readAuditLog } from '../test/support/audit-log.js'
import { StandIn } from '../test/support/stand-in.js'

const MIB = 1024 * 1024
const SIZE = 1.5 * MIB
const MAPS = '/api/v1/namespaces/default/configmaps'
const JSON_TYPE = 'application/json'
const YAML = 'application/yaml'
const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const CBOR = 'application/cbor'

interface Hostile {
  readonly name: string
  readonly type: string
  readonly body: Buffer
  readonly path?: string
  /** Whether the response is this, too, compressed. */
  readonly response?: boolean
}

const fill = (head: string, part: string, tail: string, size = SIZE): Buffer =>
  Buffer.from(head + part.repeat((size - head.length - tail.length) / part.length) + tail)
const numbered = (head: string, part: (i: number) => string, tail: string, size = SIZE): Buffer => {
  let text = head
  for (let i = 0; text.length < size; i++) text += part(i)
  return Buffer.from(text + tail)
}
const MAP = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m"},'
const CBOR_HEAD = Buffer.from([0xd9, 0xd9, 0xf7, 0xa1, 0x41, 0x61, 0x9f])

const BODIES: readonly Hostile[] = [
  { name: 'nothing to read', type: 'application/octet-stream', body: Buffer.alloc(SIZE) },
  { name: 'YAML: 200,000 aliases', type: YAML, body: fill('x: &a 1\ny: [', '*a,', '1]\n', 600_000) },
  { name: 'YAML: numbers', type: YAML, body: fill('a: [', '1,', '1]\n', 320_000) },
  { name: 'YAML: keys', type: YAML, body: numbered('', (i) => `k${i}: 1\n`, '') },
  { name: 'YAML: comments', type: YAML, body: fill('a: 1\n', '#\n', '') },
  { name: 'YAML: empty lines', type: YAML, body: fill('a: 1\n', '\n', '') },
  { name: 'YAML: documents', type: YAML, body: fill('a: 1\n', '#\n---\n', '') },
  { name: 'YAML: merge keys', type: YAML, body: numbered('x: &a {b: 1}\n', (i) => `k${i}: {<<: *a}\n`, '') },
  { name: 'YAML, 32 KiB', type: YAML, body: fill('a: [', '"",', '1]\n', 32_000) },
  { name: 'JSON: escaped keys', type: JSON_TYPE, body: numbered(MAP, (i) => `"\\u0061${i}":1,`, '"a":1}') },
  { name: 'JSON: the same key', type: JSON_TYPE, body: fill(MAP, '"a":1,', '"a":1}') },
  { name: 'JSON: <', type: JSON_TYPE, body: fill(`${MAP}"a":"`, '<', '"}', 3 * MIB) },
  {
    name: 'JSON: < and pairs',
    type: JSON_TYPE,
    body: fill(`${MAP}"a":"`, '\\ud83d\\ude00\\"<', '"}', 3 * MIB),
  },
  { name: 'JSON: control characters', type: JSON_TYPE, body: fill(`${MAP}"a":"`, '\\u0001', '"}', 3 * MIB) },
  {
    name: 'JSON, 32 KiB of escaped keys',
    type: JSON_TYPE,
    body: numbered(MAP, (i) => `"\\u0061${i}":1,`, '"a":1}', 32_000),
  },
  {
    name: 'Secret: tiny values',
    type: JSON_TYPE,
    path: '/api/v1/namespaces/default/secrets',
    body: numbered(
      '{"kind":"Secret","apiVersion":"v1","metadata":{},"data":{',
      (i) => `"${i}":"",`,
      '"a":""}}',
    ),
  },
  {
    name: 'Secret, 32 KiB of tiny values',
    type: JSON_TYPE,
    path: '/api/v1/namespaces/default/secrets',
    body: numbered(
      '{"kind":"Secret","apiVersion":"v1","metadata":{},"data":{',
      (i) => `"${i}":"",`,
      '"a":""}}',
      32_000,
    ),
  },
  {
    name: 'Secrets in a list of something else',
    type: JSON_TYPE,
    body: fill(
      '{"kind":"List","apiVersion":"v1","items":[',
      '{"kind":"Secret","metadata":{},"data":{"a":""}},',
      '{}]}',
    ),
  },
  {
    name: 'annotations with documents',
    type: JSON_TYPE,
    body: fill(
      '{"kind":"List","items":[',
      '{"kubectl.kubernetes.io/last-applied-configuration":"{\\"kind\\":\\"Secret\\",\\"data\\":{\\"a\\":\\"\\"}}"},',
      '{}]}',
    ),
  },
  {
    name: 'protobuf: 786,000 containers',
    type: PROTOBUF,
    body: envelope('v1', 'Pod', bytes(2, Buffer.from('1200'.repeat(786_000), 'hex'))),
  },
  {
    name: 'CBOR: empty maps',
    type: CBOR,
    body: Buffer.concat([CBOR_HEAD, Buffer.alloc(SIZE, 0xa0), Buffer.from([0xff])]),
  },
]
const [, , part = ''] = process.argv
const ALL = [...BODIES, ...BODIES.map((one) => ({ ...one, response: true }))].filter(({ name }) =>
  name.includes(part),
)

let hostile: Hostile | undefined
let compressed = Buffer.alloc(0)
const bench = await StandIn.start({
  policy:
    'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\nomitStages: [RequestReceived]\n',
  // An answer that is there tells that the event is.
  flags: ['--audit-log-mode=blocking', '--audit-log-maxsize=0'],
  upstream: (req, res) => {
    req.resume().on('end', () => {
      // Without a length: the answer is whole when the proxy says so.
      if (req.method === 'GET' || hostile?.response !== true)
        return void res.writeHead(200, { 'content-type': JSON_TYPE }).end('{"kind":"Pod"}')
      res.writeHead(200, { 'content-type': hostile.type, 'content-encoding': 'gzip' }).end(compressed)
    })
  },
})
const agent = new https.Agent({ keepAlive: true })
const as = { ...bench.as(), agent }
const healthy = { ...as, path: '/api/v1/namespaces/default/pods/healthy' }

/** Small requests, one after the other, until it is stopped; the longest that one took, in milliseconds. */
async function longestDelay(whileRunning: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let running = true
  const asking = (async () => {
    while (running) {
      const start = performance.now()
      await ask(healthy)
      longest = Math.max(longest, performance.now() - start)
      await sleep(1)
    }
  })()
  await sleep(20)
  await whileRunning()
  running = false
  await asking
  return longest
}

let next = 0
/** Sends the body, and waits until its event is stored; answers the event's id. */
async function send({ type, body, path = MAPS, response = false }: Hostile): Promise<string> {
  const id = `hostile-${next++}`
  const headers = { 'content-type': response ? JSON_TYPE : type, 'audit-id': id }
  await ask({ ...as, path, method: 'POST', headers }, response ? Buffer.from('{}') : body)
  return id
}

for (let i = 0; i < 300; i++) await ask(healthy)
const pid = bench.proxy.child.pid as number
/** Milliseconds that the thread that serves requests has been at work. */
const busy = (): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6

const measured: { one: Hostile; bytes: number; id: string; delays: number[]; main: number; cpu: number }[] =
  []
for (const one of ALL) {
  hostile = one
  if (one.response === true) compressed = gzipSync(one.body)
  const delays: number[] = []
  let id = ''
  for (let i = 0; i < 3; i++) delays.push(await longestDelay(async () => (id = await send(one))))
  const [before, busyBefore] = [usage(pid).cpu, busy()]
  await send(one)
  const [cpu, main] = [usage(pid).cpu - before, busy() - busyBefore]
  measured.push({
    one,
    bytes: one.response === true ? compressed.length : one.body.length,
    id,
    delays,
    main,
    cpu,
  })
}
const memory = bench.memory()
const events = byAuditID(readAuditLog(bench.auditLog))
console.table(
  measured.map(({ one: { name, response }, bytes, id, delays, main, cpu }) => {
    const event = events.get(id)?.at(-1)
    const object = response === true ? event?.responseObject : event?.requestObject
    return {
      body: `${name}${response === true ? ' (gzip response)' : ''}`,
      'bytes sent': bytes,
      'longest delay (ms)': Math.max(...delays).toFixed(1),
      'median of three (ms)': delays.sort((a, b) => a - b)[1]?.toFixed(1),
      'serving thread (ms)': main.toFixed(1),
      'all threads (ms)': Math.round(cpu / 1000),
      event: object !== undefined ? 'whole' : Object.values(event?.annotations ?? {}).at(-1),
    }
  }),
)
console.log(`memory: ${memory.now.toFixed(0)} MiB, at its peak ${memory.peak.toFixed(0)} MiB`)
agent.destroy()
await bench.stop()
