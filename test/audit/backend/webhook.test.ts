import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  parseRetryAfter,
  type WebhookClientOptions,
} from '../../../src/audit/backend/webhook/webhook-client.js'
import { newWebhookBackend } from '../../../src/audit/backend/webhook/webhook-backend.js'
import { PKI } from '../../support/pki.js'
import {
  inTurn,
  ok,
  startConnectProxy,
  startForwardProxy,
  status,
  WebhookReceiver,
  type Answer,
  type ReceiverOptions,
} from '../../support/webhook-receiver.js'
import {
  auditEvent,
  auditEvents,
  base64,
  eventList,
  never,
  RecordedProblems,
  webhookDeps,
  writeKubeconfig,
} from '../../support/webhook.js'

const directory = t.testdir()
const pki = new PKI(join(directory, 'pki'))
const ca = pki.ca('ca')
const otherCA = pki.ca('other-ca')
const serving = pki.issue(ca, { name: 'serving', cn: 'receiver', ip: ['127.0.0.1'] })
const elsewhere = pki.issue(ca, { name: 'elsewhere', cn: 'receiver', dns: ['audit.example.com'] })
const client = pki.issue(ca, { name: 'client', cn: 'audit-sender', usage: 'client' })

interface Setup {
  readonly receiver?: ReceiverOptions
  readonly cluster?: object
  readonly user?: object
  readonly client?: WebhookClientOptions
  readonly answer?: Answer
}

async function setUp(t: Test, setup: Setup = {}) {
  const receiver = await WebhookReceiver.start({ serving, ...setup.receiver })
  receiver.answer = setup.answer ?? ok
  const cluster = { server: receiver.url, 'certificate-authority-data': base64(ca.cert), ...setup.cluster }
  const report = new RecordedProblems()
  const deps = webhookDeps(writeKubeconfig(directory, cluster, setup.user), report, setup.client)
  const backend = newWebhookBackend({ initialBackoff: 1 }, deps)
  t.teardown(async () => {
    await backend.shutdown(AbortSignal.abort())
    await receiver.stop()
  })
  return { receiver, report, backend }
}

void t.test('posts an EventList as kube-apiserver does', async (t) => {
  const { receiver, report, backend } = await setUp(t)
  const events = auditEvents(0, 3)
  t.equal(backend.name, 'webhook')
  t.equal(await backend.processEvents(events), true)
  const [request] = receiver.requests
  t.match(request, { method: 'POST', path: '/audit?timeout=30s' })
  t.match(request?.headers, { 'content-type': 'application/json', accept: 'application/json, */*' })
  t.equal(request?.headers.authorization, undefined)
  t.equal(request?.body, eventList(events))
  t.equal(request?.headers['content-length'], String(Buffer.byteLength(request?.body ?? '')))
  t.equal(receiver.requests.length, 1)
  t.strictSame(report.messages, [])
})

void t.test('large batches arrive whole', async (t) => {
  const { receiver, backend } = await setUp(t)
  const requestObject = JSON.stringify({ data: 'é'.repeat(700_000) })
  const events = [
    auditEvent(0, { requestObject }),
    ...auditEvents(1, 400),
    auditEvent(400, { requestObject }),
  ]
  t.equal(await backend.processEvents(events), true)
  t.equal(receiver.requests[0]?.body, eventList(events))
})

void t.test('whatever fails is tried again', async (t) => {
  const failures: Record<string, Answer> = {
    'internal error': status(500),
    'not found': status(404),
    unauthorized: status(401),
    'too many requests': status(429, { 'retry-after': '0' }),
    unavailable: status(503, { 'retry-after': 'soon' }),
    redirect: status(302, { location: '/elsewhere' }),
    'not modified': status(304),
    hangs: () => {},
    'headers and no more': (response) =>
      void response.writeHead(200, { 'content-length': '10' }).flushHeaders(),
    'answers for ever': (response) => {
      const more = () => {
        if (response.destroyed) return
        response.write('.')
        setTimeout(more, 5)
      }
      response.writeHead(500)
      more()
    },
    'closes instead of an answer': (response) => void response.socket?.destroy(),
    'resets instead of an answer': (response) => void response.socket?.resetAndDestroy(),
    'closes in the middle': (response) => {
      response.writeHead(200, { 'content-length': '10' }).write('12345', () => response.socket?.destroy())
    },
    'does not speak HTTP': (response) => void response.socket?.end('SSH-2.0-OpenSSH_9.0\r\n'),
  }
  for (const [name, failure] of Object.entries(failures)) {
    await t.test(name, async (t) => {
      const { receiver, report, backend } = await setUp(t, {
        answer: inTurn(failure, failure, ok),
        client: { timeout: 250 },
      })
      t.equal(await backend.processEvents(auditEvents(0, 2)), true)
      t.equal(receiver.requests.length, 3)
      t.strictSame(
        receiver.requests[2]?.items.map((item) => item.auditID),
        ['0', '1'],
      )
      t.equal(report.retries, 2)
      t.equal(report.deliveries, 3)
      t.equal(report.failedEvents, 0)
    })
  }
})

void t.test('a slow answer and a long one are answers', async (t) => {
  const { receiver, backend } = await setUp(t, {
    answer: (response) => {
      response.write('x'.repeat(1000))
      setTimeout(() => response.end('x'.repeat(10_000_000)), 50)
    },
  })
  t.equal(await backend.processEvents(auditEvents(0, 1)), true)
  t.equal(await backend.processEvents(auditEvents(1, 2)), true)
  t.equal(receiver.requests.length, 2)
})

void t.test('after five attempts the events are given up, counted and logged', async (t) => {
  const token = 'the-token-of-the-sender'
  const { receiver, report, backend } = await setUp(t, { answer: status(500), user: { token } })
  t.equal(await backend.processEvents(auditEvents(0, 7)), false)
  t.equal(receiver.requests.length, 5)
  t.equal(report.failedEvents, 7)
  t.equal(report.retries, 4)
  t.match(report.messages.at(-1), /^failed: https:\/\/127\.0\.0\.1:\d+\/audit: status 500$/)
  t.notMatch(report.messages.join(), new RegExp(`${token}|alice|says no`))
})

void t.test('a receiver that is not there', async (t) => {
  const { receiver, report, backend } = await setUp(t)
  await receiver.stop()
  t.equal(await backend.processEvents(auditEvents(0, 1)), false)
  t.match(report.messages.at(-1), /^failed: .*ECONNREFUSED/)
  t.equal(report.failedEvents, 1)
})

void t.test('a list that is too large for the receiver is split', async (t) => {
  const { receiver, report, backend } = await setUp(t, {
    answer: (response, list, n) => (list.items.length > 3 ? status(413) : ok)(response, list, n),
  })
  t.equal(await backend.processEvents(auditEvents(0, 10)), true)
  const accepted = receiver.requests.filter(({ items }) => items.length <= 3)
  t.strictSame(
    accepted.flatMap(({ items }) => items.map((item) => item.auditID)),
    auditEvents(0, 10).map((event) => event.auditID),
  )
  t.equal(report.retries, 0)
})

void t.test('Retry-After', async (t) => {
  const inTwentySeconds = parseRetryAfter(new Date(Date.now() + 20_000).toUTCString()) ?? 0
  t.ok(inTwentySeconds > 0 && inTwentySeconds <= 20_000)
  for (const [value, wait] of [
    ['7', 7000],
    ['3600', 60_000],
    ['Fri, 31 Dec 2999 23:59:59 GMT', 60_000],
    ['0', undefined],
    ['-5', undefined],
    ['1.5e3 years', undefined],
    ['Fri, 31 Dec 1999 23:59:59 GMT', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const) {
    t.equal(parseRetryAfter(value), wait, `${value}`)
  }

  for (const code of [429, 503]) {
    const { receiver, backend } = await setUp(t, { answer: inTurn(status(code, { 'retry-after': '1' }), ok) })
    const stored = backend.processEvents(auditEvents(0, 1))
    await receiver.watch.until(() => receiver.requests.length === 1)
    const refused = performance.now()
    t.equal(await stored, true)
    t.ok(performance.now() - refused > 950, 'never earlier; the backoff alone is a millisecond')
  }
})

void t.test('credentials', async (t) => {
  await t.test('token', async (t) => {
    const { receiver, backend } = await setUp(t, { user: { token: 'abc' } })
    t.equal(await backend.processEvents(auditEvents(0, 1)), true)
    t.equal(receiver.requests[0]?.headers.authorization, 'Bearer abc')
  })

  await t.test('a token file is read again when its token is refused', async (t) => {
    const tokenFile = join(directory, 'token')
    writeFileSync(tokenFile, 'old\n', { mode: 0o600 })
    const { receiver, backend } = await setUp(t, {
      user: { tokenFile },
      answer: (response, list, n) => {
        writeFileSync(tokenFile, 'new\n')
        const answer = list.headers.authorization === 'Bearer new' ? ok : status(401)
        answer(response, list, n)
      },
    })
    t.equal(await backend.processEvents(auditEvents(0, 1)), true)
    t.strictSame(
      receiver.requests.map(({ headers }) => headers.authorization),
      ['Bearer old', 'Bearer new'],
    )
  })

  await t.test('user name and password', async (t) => {
    const { receiver, backend } = await setUp(t, { user: { username: 'audit', password: 'secret' } })
    t.equal(await backend.processEvents(auditEvents(0, 1)), true)
    t.equal(receiver.requests[0]?.headers.authorization, `Basic ${base64('audit:secret')}`)
  })

  await t.test('client certificate', async (t) => {
    const { receiver, backend } = await setUp(t, {
      receiver: { clientCA: ca.cert },
      user: { 'client-certificate': client.certFile, 'client-key': client.keyFile },
    })
    t.equal(await backend.processEvents(auditEvents(0, 1)), true)
    t.equal(receiver.requests[0]?.clientName, 'audit-sender')
  })

  await t.test('no client certificate where one is needed', async (t) => {
    const { receiver, report, backend } = await setUp(t, { receiver: { clientCA: ca.cert } })
    t.equal(await backend.processEvents(auditEvents(0, 1)), false)
    t.equal(receiver.requests.length, 0)
    t.equal(report.failedEvents, 1)
  })

  await t.test('exec plugin, run again when its token is refused', async (t) => {
    const plugin = join(directory, 'plugin')
    const runs = join(directory, 'runs')
    writeFileSync(
      plugin,
      `#!/bin/sh
echo x >> ${runs}
n=$(wc -l < ${runs} | tr -d ' ')
echo '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"token-'$n'"}}'
`,
    )
    chmodSync(plugin, 0o700)
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      command: plugin,
      interactiveMode: 'Never',
    }
    const { receiver, backend } = await setUp(t, { user: { exec }, answer: inTurn(status(401), ok) })
    t.equal(await backend.processEvents(auditEvents(0, 1)), true)
    t.equal(await backend.processEvents(auditEvents(1, 2)), true)
    t.strictSame(
      receiver.requests.map(({ headers }) => headers.authorization),
      ['Bearer token-1', 'Bearer token-2', 'Bearer token-2'],
    )
    t.equal(readFileSync(runs, 'utf8'), 'x\nx\n')
  })

  await t.test('an exec plugin that fails, and one that hangs', async (t) => {
    for (const command of ['/bin/false', '/bin/cat']) {
      const args = command === '/bin/cat' ? ['/dev/zero'] : []
      const exec = {
        apiVersion: 'client.authentication.k8s.io/v1beta1',
        command,
        args,
        interactiveMode: 'Never',
      }
      const { receiver, report, backend } = await setUp(t, { user: { exec }, client: { timeout: 200 } })
      t.equal(await backend.processEvents(auditEvents(0, 1)), false)
      t.equal(receiver.requests.length, 0)
      t.equal(report.failedEvents, 1)
    }
  })
})

void t.test('TLS', async (t) => {
  await t.test('a certificate of an authority that is not trusted', async (t) => {
    const cluster = { 'certificate-authority-data': base64(otherCA.cert) }
    const { receiver, report, backend } = await setUp(t, { cluster })
    t.equal(await backend.processEvents(auditEvents(0, 1)), false)
    t.equal(receiver.requests.length, 0)
    t.match(report.messages.at(-1), /certificate/)
  })

  await t.test('a certificate for another name', async (t) => {
    const { receiver, report, backend } = await setUp(t, { receiver: { serving: elsewhere } })
    t.equal(await backend.processEvents(auditEvents(0, 1)), false)
    t.equal(receiver.requests.length, 0)
    t.match(report.messages.at(-1), /altnames/)
  })

  await t.test('tls-server-name', async (t) => {
    const cluster = { 'tls-server-name': 'audit.example.com' }
    const { receiver, backend } = await setUp(t, { receiver: { serving: elsewhere }, cluster })
    t.equal(await backend.processEvents(auditEvents(0, 1)), true)
    t.equal(receiver.requests[0]?.servername, 'audit.example.com')
  })

  await t.test('insecure-skip-tls-verify', async (t) => {
    const cluster = { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true }
    const { receiver, backend } = await setUp(t, { receiver: { serving: elsewhere }, cluster })
    t.equal(await backend.processEvents(auditEvents(0, 1)), true)
    t.equal(receiver.requests.length, 1)
  })

  await t.test('a receiver that speaks no TLS', async (t) => {
    const plain = await WebhookReceiver.start()
    t.teardown(() => plain.stop())
    const { report, backend } = await setUp(t, { cluster: { server: `https://127.0.0.1:${plain.port}` } })
    t.equal(await backend.processEvents(auditEvents(0, 1)), false)
    t.equal(plain.requests.length, 0)
    t.equal(report.failedEvents, 1)
  })
})

void t.test('proxy-url', async (t) => {
  const proxy = await startConnectProxy()
  t.teardown(proxy.stop)
  const { receiver, backend } = await setUp(t, { cluster: { 'proxy-url': proxy.url } })
  t.equal(await backend.processEvents(auditEvents(0, 1)), true)
  t.equal(receiver.requests.length, 1)
  t.strictSame(proxy.targets, [`127.0.0.1:${receiver.port}`])
})

void t.test('a receiver on http is asked for in the absolute form, as Go does', async (t) => {
  const plain = await WebhookReceiver.start()
  const proxy = await startForwardProxy(plain.port)
  t.teardown(() => plain.stop())
  t.teardown(proxy.stop)
  const withUser = proxy.url.replace('//', '//user:p%40ss@')
  const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
  const cases: [object, string | undefined, string][] = [
    [{ server: 'http://audit.example/k', 'proxy-url': proxy.url }, undefined, 'audit.example -'],
    [
      { server: 'http://audit.example:8080/k', 'proxy-url': withUser },
      undefined,
      `audit.example:8080 ${authorization}`,
    ],
    [{ server: 'http://audit.example/k' }, withUser, `audit.example ${authorization}`],
  ]
  for (const [cluster, environment, seen] of cases) {
    if (environment !== undefined) process.env['HTTP_PROXY'] = environment
    const { backend } = await setUp(t, { cluster })
    delete process.env['HTTP_PROXY']
    plain.requests.length = proxy.seen.length = 0
    const events = auditEvents(0, 2)
    t.equal(await backend.processEvents(events), true)
    t.equal(await backend.processEvents(events), true)
    const [host] = seen.split(' ')
    t.strictSame(proxy.seen, Array(2).fill(`POST http://${host}/k?timeout=30s ${seen}`))
    t.equal(plain.requests[0]?.body, eventList(events))
    t.equal(plain.requests[0]?.path, '/k?timeout=30s')
    t.equal(plain.requests[0]?.headers['proxy-authorization'], undefined)
  }
})

void t.test('shutdown', async (t) => {
  await t.test('waits for what is under way', async (t) => {
    const held: (() => void)[] = []
    const { receiver, report, backend } = await setUp(t, {
      answer: (response) => held.push(() => response.end()),
    })
    const stored = backend.processEvents(auditEvents(0, 1))
    await receiver.watch.until(() => receiver.requests.length === 1)
    const down = backend.shutdown(never)
    held[0]?.()
    await down
    t.equal(await stored, true)
    t.equal(report.failedEvents, 0)
  })

  await t.test('at the deadline gives up what hangs, and counts it', async (t) => {
    const { receiver, report, backend } = await setUp(t, { answer: () => {} })
    const stored = backend.processEvents(auditEvents(0, 3))
    await receiver.watch.until(() => receiver.requests.length === 1)
    const deadline = new AbortController()
    const down = backend.shutdown(deadline.signal)
    deadline.abort()
    await down
    t.equal(await stored, false)
    t.equal(report.failedEvents, 3)
    t.match(report.messages.at(-1), /deadline/)
  })
})
