import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import t from 'tap'
import { ClusterSinks } from '../../../src/audit/sink/cluster.js'
import { DynamicBackend } from '../../../src/audit/sink/dynamic.js'
import { sinkManifest } from '../../support/audit-sink.js'
import { memoryLog } from '../../support/log.js'
import { Watch } from '../../support/watch.js'
import { never } from '../../support/webhook.js'

const object = (name: string, resourceVersion: string, stages = ['ResponseComplete']) => {
  const sink = JSON.parse(sinkManifest(name, 'https://audit.app', { policy: { stages } })) as {
    metadata: object
  }
  return { ...sink, metadata: { ...sink.metadata, resourceVersion } }
}

await t.test('sinks follow the list and the watch of the cluster', async (t) => {
  const changes = new Watch()
  const asked: URL[] = []
  let list = { metadata: { resourceVersion: '10' }, items: [object('a', '9'), object('b', '8')] }
  let watch: ServerResponse | undefined
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '', 'http://host')
    asked.push(url)
    if (url.searchParams.has('watch')) {
      res.writeHead(200).flushHeaders()
      watch = res
    } else res.end(JSON.stringify(list))
    changes.changed()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dispatcher = new Pool(origin)

  let names: string[] = []
  const { log, lines } = memoryLog()
  const backend = new DynamicBackend(
    ({ name }) => ({ name, processEvents: () => true, shutdown: () => Promise.resolve() }),
    (sinks) => {
      names = sinks.map(({ name }) => name).sort()
      changes.changed()
    },
    log,
  )
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
  const sinks = new ClusterSinks(client, backend, log)
  t.teardown(async () => {
    await sinks.close()
    await backend.shutdown(never)
    await dispatcher.destroy()
    server.close()
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

  sinks.start()
  let open = await watching('10')
  t.strictSame(names, ['a', 'b'])
  t.strictSame(
    asked.map(({ pathname }) => pathname),
    Array(2).fill('/prefix/apis/auditregistration.k8s.io/v1alpha1/auditsinks'),
  )
  send(open, 'ADDED', object('c', '11'))
  await changes.until(() => names.includes('c'))
  send(open, 'DELETED', object('b', '12'))
  await changes.until(() => !names.includes('b'))
  send(open, 'MODIFIED', object('a', '13', []))
  send(open, 'BOOKMARK', { metadata: { resourceVersion: '20' } })
  open.end()

  open = await watching('20')
  t.strictSame(names, ['a', 'c'], 'one that cannot be used any more stays as it was')
  t.match(lines.find(({ level }) => level === 50)?.['msg'], 'auditsink a: spec.policy.stages')

  list = { metadata: { resourceVersion: '31' }, items: [object('a', '13', []), object('d', '30')] }
  send(open, 'ERROR', { code: 410, message: 'too old resource version' })
  open = await watching('31')
  t.strictSame(names, ['a', 'd'], 'what was missed comes with a new list')

  open.end('{"type": "ADDED", "obj')
  await changes.until(() => asked.at(-1)?.searchParams.has('watch') === false)
  await watching('31')
  t.strictSame(names, ['a', 'd'], 'and so after an answer that makes no sense')
  t.match(
    lines.find(({ level }) => level === 40),
    { msg: /^audit sinks of the cluster cannot be watched: / },
  )
})
