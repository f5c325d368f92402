import { once } from 'node:events'
import t from 'tap'
import { CASES } from '../e2e/hostile/families.js'
import { attack } from '../support/hostile/attack.js'
import { fatesOf, marker, markerOf, MODES } from '../support/hostile/case.js'
import { bearerTokens, credentialsOf, expectedCredentials, RawFronts } from '../support/hostile/raw-front.js'
import { connect } from '../support/hostile/connection.js'
import type { RawRequest } from '../support/hostile/raw-upstream.js'
import { StandIn } from '../support/stand-in.js'

// They are many.
t.setTimeout(600_000)

/** The cases that a real kube-apiserver is shown in test/e2e, here with a look at the bytes that go upstream. */
for (const mode of MODES) {
  await t.test(
    `hostile clients, and the bytes that go upstream by ${mode}`,
    { timeout: 300_000 },
    async (t) => {
      const { upstream, fronts, kitchen } = await RawFronts.start(t.testdir(), [mode])
      t.teardown(() => upstream.close())
      const [front] = fronts
      if (front === undefined) throw new Error('no proxy')
      t.teardown(() => front.proxy.stop('SIGKILL'))
      // A body passes in one mode as in the other.
      const cases = CASES.filter(({ body }) => body === undefined || mode === 'request header')
      const answers = await attack(front, cases, kitchen)
      t.equal(await front.proxy.stop(), 0, 'the proxy lived through it all')
      t.strictSame(upstream.faults, [], 'nothing went upstream but plain HTTP')

      const arrived = new Map<string, RawRequest[]>()
      for (const request of upstream.requests) {
        const mark = markOf(request)
        arrived.set(mark, [...(arrived.get(mark) ?? []), request])
      }
      for (const one of CASES) {
        if (!answers.has(one)) continue
        const name = `${one.id} ${one.family}: ${one.name}`
        const passing = fatesOf(one, mode).flatMap((fate) =>
          fate.kind === 'seen' || fate.kind === 'unserved' || fate.kind === 'broken' || fate.kind === 'late'
            ? [fate]
            : [],
        )
        for (const { kind, by, part } of passing) {
          const requests = arrived.get(markerOf(one, part)) ?? []
          arrived.delete(markerOf(one, part))
          if ((kind === 'broken' || kind === 'late') && requests.length === 0) continue
          const [token] = requests
            .flatMap((r) => r.headers)
            .filter(([h]) => h.toLowerCase() === 'authorization')
          t.strictSame(
            requests.map(credentialsOf),
            [
              {
                ...expectedCredentials(by, mode, by === 'nobody' ? undefined : token?.[1]),
                ...(one.upgrades === true ? { hopByHop: ['upgrade: websocket'] } : {}),
              },
            ],
            name,
          )
          if (one.body !== undefined) t.ok(requests[0]?.body === one.body, `${name}: its body, byte for byte`)
          if (by === 'bob' || by === 'carol') {
            const [sent = '', ...more] = requests.flatMap(bearerTokens)
            t.match(sent, new RegExp(`^${by}token`), `${name}: the token that was verified`)
            t.strictSame(more, [], `${name}: and no other`)
          }
        }
      }
      t.strictSame([...arrived.keys()], [], 'nothing else went upstream')
    },
  )
}

function markOf({ target, headers }: RawRequest): string {
  const auditID = headers.find(([name]) => name.toLowerCase() === 'audit-id')?.[1] ?? ''
  return marker(auditID, target) ?? `${auditID} ${target}`
}

await t.test('what is no HTTP, in the middle of a response', async (t) => {
  const standIn = await StandIn.start({
    upstream: (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write('{"type":"ADDED"}')
    },
  })
  t.teardown(() => standIn.stop())
  const { cert, key } = standIn.admin
  const socket = await connect({ port: standIn.proxy.port, ca: standIn.ca.cert, cert, key }, 'http/1.1')
  let received = ''
  const began = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString()
      if (received.includes('ADDED')) resolve()
    })
  })
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  const head = 'GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  socket.write(`${head}2\r\n{}\r\n`)
  await began
  socket.write('no chunk\r\n')
  await closed
  t.match(received, /^HTTP\/1\.1 200 /)
  t.notMatch(received.slice(1), /HTTP\/1\.1/, 'no second answer is put into the first')
})
