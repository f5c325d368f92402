import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import t, { type Test } from 'tap'
import { ClusterSinks } from '../../../src/audit/sink/cluster-sinks.js'
import { SinkLog } from '../../../src/audit/sink/sink-log.js'
import { SinkSet } from '../../../src/audit/sink/sink-set.js'
import { systemTimers, type Timers } from '../../../src/timers.js'
import { ManualTimers } from '../../support/audit.js'
import { sinkManifest } from '../../support/audit-sink.js'
import { memoryLog } from '../../support/log.js'
import { Watch } from '../../support/watch.js'

const object = (name: string, resourceVersion: string, stages = ['ResponseComplete']) => {
  const sink = JSON.parse(sinkManifest(name, 'https://audit.app', { policy: { stages } })) as {
    metadata: object
  }
  return { ...sink, metadata: { ...sink.metadata, resourceVersion } }
}

/** What follows a cluster that answers so. */
async function start(
  t: Test,
  changes: Watch,
  answer: (url: URL, res: ServerResponse) => void,
  timers: Timers = systemTimers,
) {
  const server = createServer((req, res) => {
    answer(new URL(req.url ?? '', 'http://host'), res)
    changes.changed()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dispatcher = new Pool(origin)
  const { log, lines } = memoryLog()
  const known: { names: string[] } = { names: [] }
  const sinkLog = new SinkLog(log)
  const set = new SinkSet(sinkLog)
  set.subscribe((sinks) => {
    known.names = [...sinks.values()].map(({ name }) => name).sort()
    changes.changed()
  })
  const client = {
    connections: {
      dispatcher,
      dial: () => Promise.reject(new Error('unused')),
      origin,
      pathPrefix: '/prefix',
    },
    authorization: () => Promise.resolve(undefined),
    invalidate: () => undefined,
  }
  const sinks = new ClusterSinks(client, set, { log, sinkLog }, timers)
  t.teardown(async () => {
    await sinks.close()
    await dispatcher.destroy()
    server.close()
  })
  sinks.start()
  return { known, lines, set }
}

await t.test('sinks follow the list and the watch of the cluster', async (t) => {
  const changes = new Watch()
  const asked: URL[] = []
  let list = { metadata: { resourceVersion: '10' }, items: [object('a', '9'), object('b', '8')] }
  let watch: ServerResponse | undefined
  const { known, lines } = await start(t, changes, (url, res) => {
    asked.push(url)
    if (url.searchParams.has('watch')) {
      res.writeHead(200).flushHeaders()
      watch = res
    } else res.end(JSON.stringify(list))
  })
  const watching = async (from: string): Promise<ServerResponse> => {
    const isFrom = () => asked.at(-1)?.searchParams.get('resourceVersion') === from && watch !== undefined
    await changes.until(isFrom)
    const now = watch as ServerResponse
    watch = undefined
    return now
  }
  const send = (res: ServerResponse, type: string, object: object) =>
    res.write(`${JSON.stringify({ type, object })}\n`)

  let open = await watching('10')
  t.strictSame(known.names, ['a', 'b'])
  t.strictSame(
    asked.map(({ pathname }) => pathname),
    Array(2).fill('/prefix/apis/auditregistration.k8s.io/v1alpha1/auditsinks'),
  )
  send(open, 'ADDED', object('c', '11'))
  await changes.until(() => known.names.includes('c'))
  send(open, 'DELETED', object('b', '12'))
  await changes.until(() => !known.names.includes('b'))
  send(open, 'MODIFIED', object('a', '13', []))
  send(open, 'BOOKMARK', { metadata: { resourceVersion: '20' } })
  open.end()

  open = await watching('20')
  t.strictSame(known.names, ['a', 'c'], 'one that cannot be used any more stays as it was')
  t.match(lines.find(({ level }) => level === 50)?.['msg'], 'auditsink a: spec.policy.stages')

  list = { metadata: { resourceVersion: '31' }, items: [object('a', '13', []), object('d', '30')] }
  send(open, 'ERROR', { code: 410, message: 'too old resource version' })
  open = await watching('31')
  t.strictSame(known.names, ['a', 'd'], 'what was missed comes with a new list')

  open.end('{"type": "ADDED", "obj')
  await changes.until(() => asked.at(-1)?.searchParams.has('watch') === false)
  await watching('31')
  t.strictSame(known.names, ['a', 'd'], 'and so after an answer that makes no sense')
  t.match(
    lines.find(({ level }) => level === 40),
    { msg: /^audit sinks of the cluster cannot be watched: / },
  )
})

/** Says how long somebody waits. */
class RecordedTimers extends ManualTimers {
  readonly waits: number[] = []

  readonly #changes: Watch

  constructor(changes: Watch) {
    super()
    this.#changes = changes
  }

  override after(ms: number, f: () => void) {
    this.waits.push(ms)
    const timer = super.after(ms, f)
    this.#changes.changed()
    return timer
  }
}

await t.test('a cluster without the resource is asked ever more seldom', async (t) => {
  const changes = new Watch()
  const timers = new RecordedTimers(changes)
  let installed = false
  let watch: ServerResponse | undefined
  const answer = (url: URL, res: ServerResponse) => {
    if (!installed) res.writeHead(404).end('404 page not found')
    else if (url.searchParams.has('watch')) {
      res.writeHead(200).flushHeaders()
      watch = res
    } else res.end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: [object('a', '9')] }))
  }
  const { known, lines } = await start(t, changes, answer, timers)
  const waits = [5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]
  for (const [i, wait] of waits.entries()) {
    await changes.until(() => timers.waits.length === i + 1)
    t.equal(timers.waits[i], wait)
    installed = i === waits.length - 1
    timers.advance(wait)
  }
  await changes.until(() => watch !== undefined)
  t.strictSame(known.names, ['a'], 'the next time it has it')
  t.equal(lines.filter(({ level }) => level === 40).length, 1, 'one line says that there is none')

  installed = false
  watch?.end(`${JSON.stringify({ type: 'ERROR', object: { code: 410 } })}\n`)
  await changes.until(() => timers.waits.length === waits.length + 1)
  timers.advance(1000)
  await changes.until(() => timers.waits.length === waits.length + 2)
  t.strictSame(timers.waits.slice(waits.length), [1000, 5000], 'a resource that was there may come back soon')
  t.strictSame(known.names, [])
})

await t.test('of thousands of sinks some are served, and the rest is refused and counted', async (t) => {
  const changes = new Watch()
  const timers = new RecordedTimers(changes)
  const names = Array.from({ length: 5000 }, (_, i) => `sink-${String(i).padStart(4, '0')}`)
  // One that is served stays, wherever it is in the list.
  let items = [...names.slice(1000), 'zz'].map((name) => object(name, '9'))
  let isFirst = true
  let watch: ServerResponse | undefined
  const answer = (url: URL, res: ServerResponse) => {
    if (url.searchParams.has('watch')) {
      res.writeHead(200).flushHeaders()
      watch = res
      return
    }
    const now = isFirst ? [object('zz', '8')] : items
    isFirst = false
    res.end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: now }))
  }
  const watching = async (): Promise<ServerResponse> => {
    await changes.until(() => watch !== undefined)
    const now = watch as ServerResponse
    watch = undefined
    return now
  }
  const send = (res: ServerResponse, type: string, name: string, version: string) =>
    res.write(`${JSON.stringify({ type, object: object(name, version) })}\n`)

  const { known, lines, set } = await start(t, changes, answer, timers)
  let open = await watching()
  t.strictSame(known.names, ['zz'])
  open.end(`${JSON.stringify({ type: 'ERROR', object: { code: 410 } })}\n`)
  await changes.until(() => timers.waits.at(-1) === 1000)
  timers.advance(1000)
  open = await watching()
  t.strictSame(known.names, [...names.slice(1000, 1099), 'zz'])
  t.equal(set.refused, 4001 - 100)

  // They come as fast as the apiserver tells them.
  for (const name of names.slice(0, 1000)) send(open, 'ADDED', name, '20')
  items = items.filter(({ metadata }) => (metadata as { name?: string }).name !== 'sink-1000')
  send(open, 'DELETED', 'sink-1000', '21')
  await changes.until(() => timers.waits.at(-1) === 10_000)
  t.equal(set.refused, 4901)
  t.equal(set.size, 99)
  timers.advance(10_000)
  await watching()
  t.strictSame(known.names, [...names.slice(1001, 1100), 'zz'], 'there was room for one more')
  const refusals = lines.filter(({ msg }) => msg === 'audit sinks were refused')
  t.match(refusals, [{ count: 3901, reason: 'there are 100 already, and no more are served' }])
  t.ok(lines.length < 400)
})
