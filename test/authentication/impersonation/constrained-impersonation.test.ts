import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { Pool } from 'undici'
import { ConstrainedImpersonation } from '../../../src/authentication/impersonation/constrained-impersonation.js'
import { ReviewError } from '../../../src/cluster/reviews.js'

const status = (message: string) => JSON.stringify({ kind: 'Status', message, code: 400 })

await t.test('what a server answers', async (t) => {
  let answer: [number, string] = [200, '{}']
  let asked = 0
  const server = http.createServer((req, res) => {
    asked++
    t.match([req.method, req.url], ['GET', '/version'])
    t.match(req.headers, { 'impersonate-group': /./, authorization: 'Bearer own' })
    t.equal(req.headers['impersonate-user'], undefined)
    res.writeHead(answer[0]).end(answer[1])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dispatcher = new Pool(origin)
  t.teardown(async () => {
    await dispatcher.destroy()
    server.close()
  })
  const dial = () => Promise.reject(new Error('nothing to dial'))
  let now = 0
  const client = {
    connections: { dispatcher, dial, origin, pathPrefix: '' },
    authorization: () => Promise.resolve('Bearer own'),
  }
  const constrained = new ConstrainedImpersonation(client, () => now)
  const cases: [number, string, string][] = [
    [400, status('requested &user.DefaultInfo{Name:""} without impersonating a user name'), 'on'],
    [400, status('requested [{Group  x    }] without impersonating a user'), 'off'],
    [
      500,
      'Internal Server Error: "/version": requested [{Group  x    }] without impersonating a user',
      'off',
    ],
    [400, status('no'), 'unknown'],
    [400, '{"message":1}', 'unknown'],
    [400, 'requested &user.DefaultInfo{', 'unknown'],
    [404, status('requested &user.DefaultInfo{'), 'unknown'],
    [200, '{"major":"1","minor":"37"}', 'unknown'],
  ]
  for (const [code, body, support] of cases) {
    answer = [code, body]
    asked = 0
    t.equal(await constrained.support(), support, `${code} ${body}`)
    t.equal(await constrained.support(), support)
    t.equal(asked, 1, 'the answer holds')
    now += 10_000
  }
  for (const code of [401, 429, 503]) {
    answer = [code, '']
    await t.rejects(constrained.support(), ReviewError)
  }
  answer = [400, cases[0]?.[1] ?? '']
  t.equal(await constrained.support(), 'on', 'no answer is not remembered')
})
