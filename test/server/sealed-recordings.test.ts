import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { runCommand, type CommandResult } from '../support/command.js'
import { channel, RecordedSessions } from '../support/recorded-sessions.js'
import type { Report } from '../../src/audit/seal/verify/report.js'
import { shown, TestKey, verified } from '../support/sealed-log.js'

// Each sub-test starts processes of its own.
t.setTimeout(180_000)

interface SealedSessions {
  readonly sessions: RecordedSessions
  /** What else the proxy gets when it is started the next time. */
  readonly flags: string[]
  /** The recordings compared with the seal, by the command. */
  readonly verify: () => Promise<CommandResult>
  /** The same in this process. */
  readonly report: () => Promise<Report>
  /** The text of the seal. */
  readonly seal: () => string
}

/** A proxy that records sessions and seals its log. */
async function start(t: Test, directory = t.testdir(), ...more: string[]): Promise<SealedSessions> {
  const flags: string[] = []
  let [pub, key]: [string, TestKey | undefined] = ['', undefined]
  const sessions = await RecordedSessions.start(t, more, {
    directory,
    fileFlags(standIn) {
      key ??= new TestKey(standIn.dir)
      pub = standIn.file('seal.pub', key.publicKey.toPEM())
      return [`--audit-seal-key-file=${key.file}`, ...flags]
    },
  })
  const { auditLog } = sessions.standIn
  return {
    sessions,
    flags,
    verify: () => runCommand(['verify', '--key', pub, auditLog, directory]),
    report: () => verified([auditLog, directory], key ?? []),
    seal: () => (existsSync(`${auditLog}.seal`) ? readFileSync(`${auditLog}.seal`, 'utf8') : ''),
  }
}

/** A session from its beginning to its end. Resolves with its recording. */
async function record(sessions: RecordedSessions, text: string): Promise<string> {
  const session = await sessions.open()
  session.server.send(channel(1, text))
  await session.client.next()
  session.server.close()
  session.client.close()
  await sessions.over(session.auditID)
  return sessions.path(session.auditID)
}

await t.test('recordings that are sealed, and what is done to them', async (t) => {
  const { sessions, verify, report } = await start(t, t.testdir(), '--workers=2')
  const paths = [await record(sessions, 'one'), await record(sessions, 'two')]
  t.equal(await sessions.standIn.proxy.stop(), 0)
  const [path = '', other = ''] = paths
  const file = join(sessions.directory, path)
  const honest = readFileSync(file)

  const whole = await verify()
  t.equal(whole.code, 0, whole.stdout + whole.stderr)
  for (const one of paths) t.match(whole.stdout, new RegExp(`${one}: whole: \\d+ bytes, sealed from `))

  /** What somebody does, whether all is whole then, what is said, and how it is undone. */
  const cases: [string, () => void, boolean, string, () => void][] = [
    [
      'a byte',
      () => writeFileSync(file, Buffer.concat([honest.subarray(0, -2), Buffer.from('!\n')])),
      false,
      `${path}: NOT WHOLE: .*\n  CHANGED: it is not what was sealed`,
      () => writeFileSync(file, honest),
    ],
    [
      'another one in its place',
      () => copyFileSync(join(sessions.directory, other), file),
      false,
      `${path}: NOT WHOLE: .*\n  CHANGED`,
      () => writeFileSync(file, honest),
    ],
    [
      'removed by hand',
      () => rmSync(file),
      false,
      `${path}: NOT WHOLE: .*\n  MISSING: it was sealed`,
      () => writeFileSync(file, honest),
    ],
    [
      'all removed by hand',
      () => renameSync(join(sessions.directory, path.slice(0, 4)), `${sessions.directory}.away`),
      false,
      `MISSING(.|\n)*MISSING`,
      () => renameSync(`${sessions.directory}.away`, join(sessions.directory, path.slice(0, 4))),
    ],
    [
      'one that nobody has recorded',
      () => writeFileSync(file.replace('.cast', '-more.cast'), 'more'),
      false,
      'session-1-more.cast: NOT WHOLE: .*\n  FOREIGN: no seal speaks of it',
      () => rmSync(file.replace('.cast', '-more.cast')),
    ],
    [
      'one that is written',
      () => writeFileSync(file.replace('.cast', '-more.cast.part'), 'more'),
      true,
      'session-1-more.cast.part: whole: .*\n  unsealed: in progress',
      () => rmSync(file.replace('.cast', '-more.cast.part')),
    ],
    [
      'compressed, and damaged',
      () => {
        writeFileSync(`${file}.gz`, gzipSync(honest).fill(0xff, 20))
        rmSync(file)
      },
      false,
      `${path}.gz: NOT WHOLE: .*\n  CHANGED`,
      () => rmSync(`${file}.gz`),
    ],
    [
      'compressed',
      () => writeFileSync(`${file}.gz`, gzipSync(honest)),
      true,
      `${path}.gz: whole: ${honest.length} bytes`,
      () => writeFileSync(file, gunzipSync(readFileSync(`${file}.gz`))),
    ],
  ]
  for (const [name, act, isWhole, said, undo] of cases) {
    act()
    const found = await report()
    t.equal(found.whole, isWhole, `${name}: ${shown(found)}`)
    t.match(shown(found), new RegExp(said), name)
    undo()
  }
  t.ok((await report()).whole)
  writeFileSync(file, Buffer.concat([honest.subarray(0, -2), Buffer.from('!\n')]))
  const changed = await verify()
  t.equal(changed.code, 1)
  t.match(changed.stdout, new RegExp(`${path}: NOT WHOLE`))
})

await t.test('what retention removes is said, and what is compressed is still known', async (t) => {
  const directory = t.testdir()
  const folder = join(directory, '2020/01/02')
  mkdirSync(folder, { recursive: true })
  for (const [name, age, bytes] of [
    ['large', 1800, 100_000],
    ['small', 900, 10_000],
  ] as const) {
    writeFileSync(join(folder, `${name}.cast`), Buffer.alloc(bytes, 'x'))
    const time = Date.now() / 1000 - age
    utimesSync(join(folder, `${name}.cast`), time, time)
  }
  const { sessions, flags, verify, report, seal } = await start(t, directory)
  t.equal(await sessions.standIn.proxy.stop(), 0)
  t.match(shown(await report()), /large.cast: whole: 100000 bytes/)
  flags.push('--session-recording-max-total=50000', '--session-recording-compress')
  await sessions.standIn.startProxy()
  await sessions.standIn.proxy.logged('a recording was removed')
  t.equal(await sessions.standIn.proxy.stop(), 0)
  t.notOk(existsSync(join(folder, 'large.cast')))
  const after = await verify()
  t.equal(after.code, 0, after.stdout + after.stderr)
  t.match(after.stdout, /removed: 2020\/01\/02\/large.cast was removed by retention at /)
  t.match(after.stdout, /small.cast(.gz)?: whole: 10000 bytes/)
  t.equal(seal().split('"type":"file"').length - 1, 2, 'each is sealed once')
})

await t.test('killed before a recording is sealed', async (t) => {
  const { sessions, report, verify, seal } = await start(t)
  const finished = await record(sessions, 'finished')
  const session = await sessions.open()
  session.server.send(channel(1, 'goes on'))
  await session.client.next()
  await sessions.standIn.proxy.stop('SIGKILL')
  const killed = await report()
  t.ok(killed.whole, shown(killed))
  t.match(shown(killed), /\.cast\.part: whole: .*\n {2}unsealed: in progress/)
  await sessions.standIn.startProxy()
  const recovered = sessions.path(session.auditID)
  t.match(recovered, /\.cast$/)
  const paths = [finished, recovered]
  // Killed again, so that nothing is sealed only at the end.
  while (!paths.every((path) => seal().includes(`"path":"${path}"`))) await sleep(20)
  await sessions.standIn.proxy.stop('SIGKILL')
  const result = await verify()
  t.equal(result.code, 0, result.stdout + result.stderr)
  for (const path of paths) t.match(result.stdout, new RegExp(`${path}: whole: \\d+ bytes, sealed from `))
})
