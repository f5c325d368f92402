import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ProxyMetrics } from '../support/proxy-metrics.js'
import { castFiles, dataOf, notesOf, readCast } from '../support/casts.js'
import { channel, EXEC, RecordedSessions, type OpenSession } from '../support/recorded-sessions.js'
import { webSocketFrame } from '../support/session-frames.js'
import { mountSmallDisk } from '../support/small-disk.js'

// Every sub-test starts a proxy process of its own.
t.setTimeout(180_000)

const [STDIN, STDOUT, STDERR, ERROR, RESIZE] = [0, 1, 2, 3, 4]
const ANNOTATION = 'session.kube-audit-proxy.io/'

/** Ends it as a command does that succeeds. */
function succeed({ server }: OpenSession): void {
  server.send(channel(ERROR, '{"metadata":{},"status":"Success"}'))
  server.close()
}

/** All that the client gets from now on, as channel and text. */
async function rest({ client }: OpenSession): Promise<string[]> {
  const found: string[] = []
  for (let message = await client.next(); message !== undefined; message = await client.next())
    found.push(`${message[0]} ${message.subarray(1).toString()}`)
  return found
}

await t.test('a proxy that records', async (t) => {
  const sessions = await RecordedSessions.start(t)
  await t.test('a session, its file and its events', (t) => wholeSession(t, sessions))
  await t.test('last bytes come behind the message that is under way', (t) => lastBytes(t, sessions))
  await t.test('audit IDs are the client’s to choose', (t) => auditIDs(t, sessions))
  await t.test('a client that does not read holds back the apiserver', (t) => backPressure(t, sessions))
  await t.test('what is refused leaves no file', (t) => refused(t, sessions))
  await t.test('a directory is one proxy’s', (t) =>
    t.rejects(sessions.standIn.startProxy(), /--session-recording-path: .* is in use by another process/),
  )
})

async function wholeSession(t: Test, sessions: RecordedSessions): Promise<void> {
  const session = await sessions.open({ headers: { 'user-agent': 'test/1' } })
  const { client, server, auditID } = session
  client.send(channel(RESIZE, '{"Width":132,"Height":43}'))
  client.send(channel(STDIN, 'never recorded'))
  t.equal((await server.next())?.[0], RESIZE)
  const euro = Buffer.from('€')
  server.send(Buffer.concat([Buffer.from([STDOUT]), euro.subarray(0, 1)]))
  server.send(Buffer.concat([Buffer.from([STDOUT]), euro.subarray(1)]))
  server.send(channel(STDERR, 'oops'))
  succeed(session)
  t.strictSame(await rest(session), [
    `1 ${euro.subarray(0, 1).toString()}`,
    `1 ${euro.subarray(1).toString()}`,
    '2 oops',
    '3 {"metadata":{},"status":"Success"}',
  ])
  client.close()
  const event = await sessions.over(auditID)
  const path = sessions.path(auditID)
  t.match(path, /^\d{4}\/\d\d\/\d\d\/session-1\.cast$/)
  const bytes = readFileSync(join(sessions.directory, path))
  t.match(event.annotations, {
    [`${ANNOTATION}recording`]: path,
    [`${ANNOTATION}bytes`]: String(bytes.length),
    [`${ANNOTATION}sha256`]: createHash('sha256').update(bytes).digest('hex'),
    [`${ANNOTATION}exit-code`]: '0',
  })
  const cast = readCast(sessions.directory, path)
  t.match(cast.header, { version: 2, width: 132, height: 43, timestamp: Number, command: 'sh' })
  t.match(cast.header['kube-audit-proxy'], {
    auditID,
    user: 'admin',
    groups: ['system:masters', 'system:authenticated'],
    sourceIPs: ['127.0.0.1'],
    userAgent: 'test/1',
    namespace: 'shop',
    pod: 'web',
    tty: false,
  })
  t.strictSame(
    cast.events.map(([, code, data]) => [code, code === 'n' ? notesOf(cast).at(-1)?.['kind'] : data]),
    [
      ['r', '132x43'],
      ['o', '€'],
      ['s', 'stderr'],
      ['o', 'oops'],
      ['x', '0'],
      ['n', 'end'],
    ],
  )
  t.equal(statSync(join(sessions.directory, path)).mode & 0o777, 0o600)
  t.equal(statSync(dirname(join(sessions.directory, path))).mode & 0o777, 0o700)
}

await t.test('base64, and a password that is typed', async (t) => {
  const sessions = await RecordedSessions.start(t, ['--session-recording-input'])
  const protocol = 'v4.base64.channel.k8s.io'
  const session = await sessions.open({}, { path: `${EXEC}&tty=true`, protocol })
  const { client, server, auditID } = session
  const encoded = (number: number, data: string): Buffer =>
    Buffer.from(`${number}${Buffer.from(data).toString('base64')}`)
  const steps: [typeof client, number, string][] = [
    [client, STDIN, 'su\r'],
    [server, STDOUT, 'su\r\nPassword: '],
    [client, STDIN, 'hun'],
    [client, STDIN, 'ter2\r'],
    [server, STDOUT, '\r\n# '],
    [client, STDIN, 'l'],
    [server, STDOUT, 'l'],
  ]
  for (const [from, number, data] of steps) {
    const to = from === client ? server : client
    from.send(encoded(number, data))
    t.same(await to.next(), encoded(number, data))
  }
  server.close()
  client.close()
  await sessions.over(auditID)
  const cast = sessions.cast(session.auditID)
  t.equal(dataOf(cast, 'o'), 'su\r\nPassword: \r\n# l')
  t.equal(dataOf(cast, 'i'), 'su\rl')
  t.match(notesOf(cast), [{ kind: 'input-withheld' }, { kind: 'end' }])
})

/** Ways in which a session can no longer be recorded, and what its client has got until then. */
const UNRECORDABLE: Record<string, (session: OpenSession) => string[]> = {
  'its recording is too long'({ server }) {
    server.send(channel(STDOUT, 'x'.repeat(5000)))
    return [`1 ${'x'.repeat(5000)}`]
  },
  'the client does not mask'({ client }) {
    client.socket.write(webSocketFrame(channel(STDIN, 'ls\n')))
    return []
  },
  'the client sends fragments, which servers read in different ways'({ client }) {
    client.socket.write(webSocketFrame(channel(RESIZE, ''), { masked: true, fin: false }))
    return []
  },
}

const LIMIT = '--session-recording-max-bytes=4000'

await t.test('strict: what cannot be recorded is ended', async (t) => {
  const sessions = await RecordedSessions.start(t, [LIMIT])
  for (const [name, act] of Object.entries(UNRECORDABLE)) {
    await t.test(name, async (t) => {
      const session = await sessions.open()
      const closed = once(session.server.socket, 'close')
      const got = act(session)
      const [text = '', status = '', ...more] = (await rest(session)).slice(got.length)
      t.match(text, /^2 \r\nkube-audit-proxy: the session is ended: it can no longer be recorded: /)
      t.match(JSON.parse(status.slice(2)), { status: 'Failure', code: 500, message: text.slice(22, -2) })
      t.strictSame(more, [])
      await closed
      session.client.socket.destroy()
      const { annotations } = await sessions.over(session.auditID)
      t.match(annotations?.[`${ANNOTATION}incomplete`], /./)
      t.match(notesOf(sessions.cast(session.auditID)), [{ kind: 'stopped' }, { kind: 'end' }])
    })
  }
  t.equal((await new ProxyMetrics(sessions.standIn.proxy).scrape()).get(counter('ended')), 3)
})

await t.test('best-effort: what cannot be recorded goes on', async (t) => {
  const sessions = await RecordedSessions.start(t, [LIMIT, '--session-recording-mode=best-effort'])
  for (const [name, act] of Object.entries(UNRECORDABLE)) {
    await t.test(name, async (t) => {
      const session = await sessions.open()
      const got = act(session)
      await sessions.standIn.proxy.logged(`"auditID":"${session.auditID}"`)
      session.server.send(channel(STDOUT, 'more'))
      succeed(session)
      session.client.socket.end()
      t.strictSame((await rest(session)).slice(0, got.length + 1), [...got, '1 more'])
      const { annotations } = await sessions.over(session.auditID)
      t.match(annotations?.[`${ANNOTATION}incomplete`], /./)
      const cast = sessions.cast(session.auditID)
      t.ok(notesOf(cast).some(({ kind }) => kind === 'stopped'))
      t.notMatch(dataOf(cast, 'o'), /more/)
    })
  }
  t.equal((await new ProxyMetrics(sessions.standIn.proxy).scrape()).get(counter('incomplete')), 3)
})

async function lastBytes(t: Test, sessions: RecordedSessions): Promise<void> {
  const session = await sessions.open()
  const message = webSocketFrame(channel(STDOUT, 'a message'))
  session.server.socket.write(message.subarray(0, 5))
  await once(session.client.socket, 'readable')
  session.client.socket.write(webSocketFrame(channel(STDIN, 'ls\n')))
  // It is read only after what the proxy made of it is under way.
  await sessions.standIn.proxy.logged('a session is not recorded whole')
  session.server.socket.write(message.subarray(5))
  const got = await rest(session)
  t.equal(got[0], '1 a message')
  t.match(got[1], /^2 \r\nkube-audit-proxy/)
}

function counter(result: string): string {
  return `kube_audit_proxy_session_recordings_total{result="${result}"}`
}

await t.test('a disk that is full', async (t) => {
  for (const mode of ['strict', 'best-effort']) {
    await t.test(mode, async (t) => {
      const disk = mountSmallDisk(t, 256)
      if (disk === undefined) return
      const sessions = await RecordedSessions.start(t, [`--session-recording-mode=${mode}`], {
        directory: join(disk, 'recordings'),
      })
      const first = await sessions.open()
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(240 * 1024))
      // What is left of the disk and a little more.
      const output = 'x'.repeat(30_000)
      first.server.send(channel(STDOUT, output))
      t.equal((await first.client.next())?.length, output.length + 1)
      await sessions.standIn.proxy.logged('a session is not recorded whole')
      // What was given back of the disk.
      execFileSync('sh', ['-c', `cat /dev/zero >'${join(disk, 'more')}' || true`], { stdio: 'ignore' })
      if (mode === 'strict') {
        t.match(await rest(first), [/^2 \r\nkube-audit-proxy: .*no space left on device/s, /"Failure"/])
        first.client.socket.destroy()
        const refused = await sessions.standIn.ask(EXEC, {
          headers: { connection: 'upgrade', upgrade: 'websocket', 'audit-id': 'refused' },
        })
        t.equal(refused.status, 500)
        t.match(JSON.parse(refused.body.toString()), {
          reason: 'InternalError',
          message: /cannot be recorded: .*no space/,
        })
        t.match((await sessions.over('refused')).responseStatus, { code: 500 })
      } else {
        succeed(first)
        t.match(await rest(first), [/"Success"/])
        first.client.close()
        const second = await sessions.open({}, { auditID: 'unrecorded' })
        succeed(second)
        t.match(await rest(second), [/"Success"/])
        second.client.close()
        t.match((await sessions.over('unrecorded')).annotations?.[`${ANNOTATION}incomplete`], /no space/)
      }
      const { annotations } = await sessions.over(first.auditID)
      t.match(annotations?.[`${ANNOTATION}incomplete`], /no space left on device/)
      const path = annotations?.[`${ANNOTATION}recording`] ?? ''
      const bytes = readFileSync(join(sessions.directory, path))
      t.equal(annotations?.[`${ANNOTATION}sha256`], createHash('sha256').update(bytes).digest('hex'))
      t.match(readCast(sessions.directory, path).header, { version: 2 }, 'what is there can be played')
      for (const name of ['ballast', 'more']) rmSync(join(disk, name))
      const after = await sessions.open({}, { auditID: 'after' })
      succeed(after)
      await rest(after)
      after.client.close()
      t.equal((await sessions.over('after')).annotations?.[`${ANNOTATION}exit-code`], '0')
    })
  }
})

async function refused(t: Test, sessions: RecordedSessions): Promise<void> {
  sessions.standIn.upstream.removeAllListeners('upgrade')
  sessions.standIn.upstream.on('upgrade', (_req, socket: NodeJS.WritableStream) =>
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
  )
  const answer = await sessions.standIn.ask(EXEC, {
    headers: { connection: 'upgrade', upgrade: 'websocket', 'audit-id': 'no' },
  })
  t.equal(answer.status, 403)
  t.equal((await sessions.over('no')).annotations?.[`${ANNOTATION}recording`], undefined)
  t.strictSame(
    castFiles(sessions.directory).filter((path) => path.includes('/no.')),
    [],
  )
}

async function auditIDs(t: Test, sessions: RecordedSessions): Promise<void> {
  const ids = ['../../etc/passwd', 'same', 'same', '.', 'a'.repeat(300)]
  for (const auditID of ids) {
    const session = await sessions.open({}, { auditID })
    session.server.send(channel(STDOUT, 'text'))
    succeed(session)
    await rest(session)
    session.client.close()
  }
  await sessions.over('a'.repeat(300))
  const files = castFiles(sessions.directory).filter((path) => !path.includes('session-'))
  t.equal(files.length, ids.length, 'each has a file of its own')
  for (const file of files) {
    t.match(file, /^\d{4}\/\d\d\/\d\d\/[A-Za-z0-9_~-]{1,120}\.cast$/)
    t.equal(dataOf(readCast(sessions.directory, file), 'o'), 'text')
  }
}

await t.test('the policy says which sessions, and is read again', async (t) => {
  const head = 'apiVersion: kube-audit-proxy.io/v1alpha1\nkind: SessionRecordingPolicy\nrules:\n'
  const rules = `${head}- {record: None, namespaces: [shop], resources: [{group: "", resources: [pods/exec]}]}\n- record: Output\n`
  const sessions = await RecordedSessions.start(t, [], {
    fileFlags: (standIn) => [`--session-recording-policy-file=${standIn.file('sessions.yaml', rules)}`],
  })
  const run = async (auditID: string, path = EXEC): Promise<string | undefined> => {
    const session = await sessions.open({}, { auditID, path })
    succeed(session)
    await rest(session)
    session.client.close()
    return (await sessions.over(auditID)).annotations?.[`${ANNOTATION}recording`]
  }
  t.equal(await run('one'), undefined)
  t.match(await run('two', EXEC.replace('shop', 'other')), /two\.cast$/)
  t.match(await run('three', EXEC.replace('exec', 'attach')), /three\.cast$/)
  t.equal(await run('four', EXEC.replace('exec', 'portforward')), undefined)
  sessions.standIn.file('sessions.yaml', `${head}- record: Output\n`)
  sessions.standIn.proxy.child.kill('SIGHUP')
  await sessions.standIn.proxy.logged('session-recording-policy-file')
  t.match(await run('five'), /five\.cast$/)
})

await t.test('a proxy that is stopped ends its sessions with a note', async (t) => {
  const sessions = await RecordedSessions.start(t)
  const session = await sessions.open()
  session.server.send(channel(STDOUT, 'before'))
  await session.client.next()
  t.equal(await sessions.standIn.proxy.stop(), 0)
  const cast = sessions.cast(session.auditID)
  t.equal(dataOf(cast, 'o'), 'before')
  t.match(notesOf(cast), [{ kind: 'end', reason: 'the proxy is shutting down' }])
  t.match((await sessions.over(session.auditID)).annotations, { [`${ANNOTATION}sha256`]: /./ })
})

await t.test('a proxy that is killed leaves what can be played, and the next one finishes it', async (t) => {
  const sessions = await RecordedSessions.start(t)
  const session = await sessions.open()
  session.server.send(channel(STDOUT, 'before'))
  await session.client.next()
  const written = async (): Promise<string> => {
    for (;;) {
      const path = sessions.path(session.auditID)
      if (dataOf(readCast(sessions.directory, path), 'o') === 'before') return path
      await sleep(20)
    }
  }
  t.match(await written(), /\.cast\.part$/)
  await sessions.standIn.proxy.stop('SIGKILL')
  t.equal(dataOf(sessions.cast(session.auditID), 'o'), 'before')
  // As if the machine had died in the middle of a line.
  const part = join(sessions.directory, sessions.path(session.auditID))
  writeFileSync(part, '[9.9,"o","ha', { flag: 'a' })
  await sessions.standIn.startProxy()
  const cast = sessions.cast(session.auditID)
  t.match(sessions.path(session.auditID), /\.cast$/)
  t.equal(dataOf(cast, 'o'), 'before')
  t.match(notesOf(cast), [{ kind: 'recovered' }])
})

await t.test('several workers: a hundred sessions at once, and one worker that dies', async (t) => {
  const sessions = await RecordedSessions.start(t, ['--workers=2'])
  const open: OpenSession[] = []
  for (let i = 0; i < 100; i++) open.push(await sessions.open())
  await Promise.all(
    open.slice(1).map(async (session, i) => {
      session.server.send(channel(STDOUT, `output ${i}`))
      succeed(session)
      await rest(session)
      session.client.close()
      await sessions.over(session.auditID)
    }),
  )
  const finished = castFiles(sessions.directory).filter((path) => path.endsWith('.cast'))
  t.equal(finished.length, 99)
  t.equal(new Set(finished.map((path) => dataOf(readCast(sessions.directory, path), 'o'))).size, 99)
  const part = castFiles(sessions.directory).find((path) => path.endsWith('.part')) ?? ''
  const { pid } = readCast(sessions.directory, part).header['kube-audit-proxy'] as { pid: number }
  const metrics = await new ProxyMetrics(sessions.standIn.proxy).scrape()
  t.equal(metrics.get(counter('recorded')), 99)
  process.kill(pid, 'SIGKILL')
  await sessions.standIn.proxy.logged('a recording was finished whose process is gone')
  t.match(notesOf(readCast(sessions.directory, part.replace(/\.part$/, ''))).at(-1), { kind: 'recovered' })
})

await t.test('what is finished is compressed, and removed when it is old or too much', async (t) => {
  const directory = t.testdir()
  const folder = join(directory, '2020/01/02')
  mkdirSync(folder, { recursive: true })
  const old = (name: string, age: number, bytes: number): void => {
    writeFileSync(join(folder, `${name}.cast`), Buffer.alloc(bytes, 'x'))
    const time = Date.now() / 1000 - age
    utimesSync(join(folder, `${name}.cast`), time, time)
  }
  old('ancient', 7200, 10)
  old('large', 1800, 100_000)
  old('small', 900, 10_000)
  const sessions = await RecordedSessions.start(
    t,
    ['--session-recording-max-age=1h', '--session-recording-max-total=50000', '--session-recording-compress'],
    { directory },
  )
  const metrics = await new ProxyMetrics(sessions.standIn.proxy).until(
    (s) => (s.get('kube_audit_proxy_session_recordings_stored_bytes') ?? 0) > 0,
  )
  t.strictSame(castFiles(directory), ['2020/01/02/small.cast.gz'])
  for (const reason of ['age', 'total'])
    t.equal(metrics.get(`kube_audit_proxy_session_recordings_removed_total{reason="${reason}"}`), 1)
  t.equal(execFileSync('zcat', [join(folder, 'small.cast.gz')]).length, 10_000)
})

async function backPressure(t: Test, sessions: RecordedSessions): Promise<void> {
  const session = await sessions.open()
  const { client, server, auditID } = session
  const piece = channel(STDOUT, 'y'.repeat(60_000))
  let sent = 0
  // Until nobody takes any more: the client does not read.
  while (server.socket.writableLength < 1 << 20 && sent < 4000) {
    server.send(piece)
    sent++
    if (server.socket.writableNeedDrain) await Promise.race([once(server.socket, 'drain'), sleep(200)])
  }
  t.ok(sent < 4000, 'the apiserver is held back')
  for (let got = 0; got < sent; got++) await client.next()
  server.close()
  client.close()
  await sessions.over(auditID)
  t.equal(dataOf(sessions.cast(session.auditID), 'o').length, sent * 60_000)
}
