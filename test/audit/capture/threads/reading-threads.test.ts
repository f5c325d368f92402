import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { BodyQuestion, ReadBody } from '../../../../src/audit/capture/body-reader.js'
import { READING_LIMITS, ReadingThreads } from '../../../../src/audit/capture/threads/reading-threads.js'

const MAX_BODY = 3 << 20
const QUESTION: BodyQuestion = {
  kind: 'request',
  wants: { object: true, metadata: true, status: false, omitManagedFields: false },
  ref: { resource: 'secrets', apiVersion: 'v1' },
  encoding: 'yaml',
  contentEncoding: 'identity',
  isPatch: false,
  method: 'POST',
}
const YAML = Buffer.from('kind: Secret\napiVersion: v1\nmetadata: {name: s}\nstringData: {a: "<hunter2>"}\n')
/** Takes seconds to read. */
const SLOW = Buffer.from(`a: [${'1,'.repeat(150_000)}1]\n`)
/** More than a heap of 128 MiB. */
const HEAVY = Buffer.from(`a: [${'x,'.repeat(150_000)}1]\n`)

const start = (t: Test, limits: Partial<typeof READING_LIMITS> = {}) => {
  const threads = new ReadingThreads(
    { maxBodyBytes: MAX_BODY, redactionKey: randomBytes(32) },
    { ...READING_LIMITS, ...limits },
  )
  t.teardown(() => threads.close())
  return {
    threads,
    read: (user: string, body: Buffer, question: Partial<BodyQuestion> = {}, maxGrowth?: number) =>
      threads.read(user, body, { ...QUESTION, ...question }, maxGrowth),
  }
}

await t.test('a thread reads as this one would', async (t) => {
  const { read } = start(t)
  const read1 = (await read('alice', YAML).done) as ReadBody
  t.match(
    read1.found.json,
    /^{"apiVersion":"v1","kind":"Secret",.*"a":"redacted:hmac-sha256:[0-9a-f]{16}"}}$/,
  )
  t.strictSame(read1.found.metadata, { name: 's' })
  const compressed = { ref: undefined, encoding: 'json', contentEncoding: 'gzip', kind: 'response' } as const
  const read2 = (await read('alice', gzipSync('{"a": "<b>"}'), compressed).done) as ReadBody
  t.equal(read2.found.json, '{"a":"\\u003cb\\u003e"}')
  const bomb = (await read('alice', gzipSync(Buffer.alloc(MAX_BODY + 1, ' ')), compressed).done) as ReadBody
  t.match(bomb, { leftOut: 'body' })
  const aliases = Buffer.from(`x: &a ${'y'.repeat(1000)}\ny: [${'*a,'.repeat(300)}*a]\n`)
  t.match(await read('alice', aliases, { ref: undefined }, 8).done, {
    leftOut: 'growth',
    found: { json: undefined },
  })
})

await t.test('what takes too long is given up, and the next one is read', async (t) => {
  const { read } = start(t, { threads: 1, time: 1 })
  t.equal(await read('mallory', SLOW).done, 'time')
  const patient = start(t, { threads: 1 })
  t.match(await patient.read('alice', YAML).done, { found: { metadata: { name: 's' } } })
})

await t.test('a thread that dies takes its body along, and no other', async (t) => {
  const { read } = start(t, { threads: 1, heap: 64 })
  const [heavy, light] = [read('mallory', HEAVY), read('alice', YAML)]
  t.equal(await heavy.done, 'thread')
  t.match(await light.done, { found: { metadata: { name: 's' } } })
})

await t.test('a user has no more than his turn', async (t) => {
  const { read } = start(t, { time: 60_000, wait: 60_000 })
  const slow = [1, 2, 3].map(() => read('mallory', SLOW))
  const over: string[] = []
  for (const job of slow) void job.done.then(() => over.push('mallory'))
  t.match(await read('alice', YAML).done, { found: { metadata: { name: 's' } } })
  t.ok(over.length <= 1, 'nobody waits for all that somebody else sent before')
  for (const job of slow) job.cancel()
  t.strictSame(await Promise.all(slow.map(({ done }) => done)), ['total', 'total', 'total'])
})

await t.test('what finds no place, or waits too long', async (t) => {
  const { read } = start(t, { threads: 1, waiting: 1, wait: 1 })
  const [, second, third] = [read('mallory', SLOW), read('mallory', YAML), read('mallory', YAML)]
  t.equal(await third.done, 'waiting')
  t.equal(await second.done, 'waiting')
})

await t.test('what is not read when they are closed is given up', async (t) => {
  const { threads, read } = start(t, { threads: 1 })
  const jobs = [read('alice', SLOW), read('alice', YAML)]
  await threads.close()
  for (const { done } of jobs) t.equal(await done, 'thread')
  t.equal(await read('alice', YAML).done, 'thread')
  await threads.close()
})
