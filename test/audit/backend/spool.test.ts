import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { mkdirSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { encodeRecord } from '../../../src/audit/backend/spool/spool-segment.js'
import { Spool } from '../../../src/audit/backend/spool/spool.js'
import { ConfigError } from '../../../src/errors.js'
import { mountSmallDisk } from '../../support/small-disk.js'
import { RecordedProblems } from '../../support/webhook.js'

const MAX_SIZE = 1 << 20

function newDirectory(t: Test): string {
  return join(t.testdir(), 'spool')
}

async function openSpool(directory: string, maxSize = MAX_SIZE) {
  const problems = new RecordedProblems()
  const spool = await Spool.open({ directory, maxSize }, problems)
  return { spool, problems }
}

function line(i: number, length = 100): string {
  return `line ${i} `.padEnd(length, '.')
}

function append(spool: Spool, from: number, to: number, length?: number): number {
  return spool.append(
    Array.from({ length: to - from }, (_, i) => encodeRecord(Buffer.from(line(from + i, length)))),
  )
}

/** The numbers of all lines that can be read. */
async function readAll(spool: Spool): Promise<number[]> {
  const found: number[] = []
  while (spool.unread > 0) {
    const { lines } = await spool.read(7, Infinity)
    found.push(...lines.map((text) => Number(text.toString().split(' ')[1])))
  }
  return found
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

function segments(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.segment'))
    .sort()
    .map((name) => join(directory, name))
}

/** Leaves a spool as a process does that is killed: what was written is there, nothing was put in order. */
async function abandon(directory: string, write: (spool: Spool) => void | Promise<void>): Promise<void> {
  const { spool } = await openSpool(directory)
  await write(spool)
  // Put in order what closing must not be trusted with: the acknowledgement is written in the background.
  await spool.close()
}

void t.test(
  'what is appended is read in order, and again after the next start until it is acknowledged',
  async (t) => {
    const directory = newDirectory(t)
    const { spool } = await openSpool(directory)
    t.equal(append(spool, 0, 10), 10)
    t.strictSame(await readAll(spool), range(0, 10))
    append(spool, 10, 20)
    t.strictSame(await readAll(spool), range(10, 20))
    t.equal(spool.pending, 20)
    await spool.close()

    const again = await openSpool(directory)
    t.equal(again.spool.pending, 20)
    const batch = await again.spool.read(5, Infinity)
    t.equal(batch.lines.length, 5)
    again.spool.acknowledge(batch.end)
    append(again.spool, 20, 30)
    await again.spool.close()

    const third = await openSpool(directory)
    t.strictSame(await readAll(third.spool), range(5, 30))
    third.spool.acknowledge(30)
    t.equal(third.spool.pending, 0)
    await third.spool.close()
    t.strictSame(segments(directory), [], 'a spool that is empty takes no space')
    t.strictSame([...again.problems.messages, ...third.problems.messages], [])

    const fourth = await openSpool(directory)
    append(fourth.spool, 30, 31)
    t.strictSame(await readAll(fourth.spool), [30])
    await fourth.spool.close()
  },
)

void t.test('a batch is bounded in lines and bytes, but has a line', async (t) => {
  const { spool } = await openSpool(newDirectory(t))
  append(spool, 0, 10, 1000)
  t.equal((await spool.read(3, Infinity)).lines.length, 3)
  t.equal((await spool.read(100, 2500)).lines.length, 2)
  const { lines, end } = await spool.read(100, 10)
  t.strictSame(lines.map(String), [line(5, 1000)])
  t.equal(end, 6)
  t.strictSame(await readAll(spool), range(6, 10))
  await spool.close()
})

void t.test('lines of any length and content', async (t) => {
  const { spool } = await openSpool(newDirectory(t), 64 << 20)
  const texts = ['x', 'é\u2028😀', 'y'.repeat(3_000_000), 'z'.repeat(512 * 1024), 'end']
  spool.append(texts.map((text) => encodeRecord(Buffer.from(text))))
  const { lines } = await spool.read(100, Infinity)
  t.strictSame(lines.map(String), texts)
  await spool.close()
})

void t.test('more buffers than one system call takes', async (t) => {
  const { spool } = await openSpool(newDirectory(t), 64 << 20)
  t.equal(append(spool, 0, 5000), 5000)
  t.strictSame(await readAll(spool), range(0, 5000))
  await spool.close()
})

void t.test('segments are deleted once they are acknowledged', async (t) => {
  const directory = newDirectory(t)
  const { spool } = await openSpool(directory)
  for (let i = 0; i < 800; i += 10) append(spool, i, i + 10, 1000)
  const before = segments(directory).length
  t.ok(before > 3)
  const { end } = await spool.read(500, Infinity)
  spool.acknowledge(end)
  await spool.close()
  const left = segments(directory)
  t.ok(left.length < before && left.length > 1)
  const again = await openSpool(directory)
  t.equal(
    again.spool.size,
    left.reduce((sum, file) => sum + statSync(file).size, 0),
  )
  t.strictSame(await readAll(again.spool), range(500, 800))
  await again.spool.close()
})

void t.test(
  'what does not fit is refused, the newest first; there is room again after an acknowledgement',
  async (t) => {
    const { spool } = await openSpool(newDirectory(t))
    t.equal(append(spool, 0, 600, 1000), 600)
    const stored = append(spool, 600, 2000, 1000)
    t.ok(stored > 400 && stored < 500)
    t.ok(spool.size <= MAX_SIZE)
    t.equal(append(spool, 0, 1, 1000), 0)
    t.strictSame(await readAll(spool), range(0, 600 + stored))
    spool.acknowledge(600 + stored)
    // The segments are removed in the background.
    while (append(spool, 5000, 5001, 1000) === 0) await new Promise((resolve) => setImmediate(resolve))
    t.strictSame(await readAll(spool), [5000])
    await spool.close()
  },
)

void t.test('only the owner can read it', async (t) => {
  const directory = newDirectory(t)
  const { spool } = await openSpool(directory)
  append(spool, 0, 10)
  spool.acknowledge((await spool.read(1, Infinity)).end)
  await spool.close()
  t.equal(statSync(directory).mode & 0o777, 0o700)
  for (const name of readdirSync(directory))
    t.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)
  t.ok(readdirSync(directory).includes('acknowledged'))
})

void t.test('a tail that is not whole is cut off', async (t) => {
  const recordBytes = encodeRecord(Buffer.from(line(0))).length
  const damage: Record<string, { readonly do: (file: string, size: number) => void; readonly left: number }> =
    {
      'one byte is missing': { do: (file, size) => truncateSync(file, size - 1), left: 9 },
      'half a record': { do: (file, size) => truncateSync(file, size - 50), left: 9 },
      'half a header': { do: (file, size) => truncateSync(file, size - recordBytes + 5), left: 9 },
      'zeros, as after a power cut': { do: (file) => appendFileSync(file, Buffer.alloc(4096)), left: 10 },
      garbage: { do: (file) => appendFileSync(file, 'what is this? '.repeat(40)), left: 10 },
      'a length without end': { do: (file) => appendFileSync(file, Buffer.alloc(100, 0xff)), left: 10 },
      'a changed byte in a record': {
        do: (file, size) => overwrite(file, size - 3 * recordBytes + 20),
        left: 7,
      },
      'a changed length': { do: (file, size) => overwrite(file, size - recordBytes), left: 9 },
    }
  for (const [name, { do: spoil, left }] of Object.entries(damage)) {
    await t.test(name, async (t) => {
      const directory = newDirectory(t)
      await abandon(directory, (spool) => void append(spool, 0, 10))
      const file = segments(directory)[0]!
      spoil(file, statSync(file).size)
      const { spool, problems } = await openSpool(directory)
      t.equal(problems.failedEvents, 1)
      t.match(problems.messages, [/^damaged: .*\.segment: cut off its last \d+ bytes/])
      t.equal(problems.damagedSegments, 1)
      t.equal(statSync(`${file}.whole.broken`).mode & 0o777, 0o600, 'for whoever wants to look into it')
      t.equal(spool.pending, left)
      append(spool, 100, 102)
      t.strictSame(await readAll(spool), [...range(0, left), 100, 101])
      await spool.close()
      const again = await openSpool(directory)
      t.strictSame(again.problems.messages, [])
      t.equal(again.spool.pending, left + 2)
      await again.spool.close()
    })
  }

  await t.test('a segment that was just being made is nothing lost', async (t) => {
    const directory = newDirectory(t)
    await abandon(directory, (spool) => void append(spool, 0, 10))
    writeFileSync(join(directory, '0000000000000010.segment'), 'KAP')
    const { spool, problems } = await openSpool(directory)
    t.strictSame(problems.messages, [])
    append(spool, 10, 11)
    t.strictSame(await readAll(spool), range(0, 11))
    await spool.close()
  })
})

void t.test('damage in the middle costs the rest of one segment, and is counted', async (t) => {
  const damage: Record<string, (file: string) => void> = {
    'a changed byte': (file) => overwrite(file, 2000),
    'a missing file': (file) => rmSync(file),
    'a shorter file': (file) => truncateSync(file, 3000),
  }
  for (const [name, spoil] of Object.entries(damage)) {
    await t.test(name, async (t) => {
      const directory = newDirectory(t)
      await abandon(directory, (spool) => {
        for (let i = 0; i < 800; i += 10) append(spool, i, i + 10, 1000)
      })
      const [, file] = segments(directory) as [string, string]
      const base = Number(/(\d+)\.segment$/.exec(file)?.[1])
      spoil(file)
      const { spool, problems } = await openSpool(directory)
      const found = await readAll(spool)
      t.equal(found.length + problems.failedEvents, 800)
      t.ok(problems.failedEvents > 50)
      t.strictSame(found.slice(0, base), range(0, base))
      t.equal(found.at(-1), 799)
      t.match(problems.messages.join(), new RegExp(basename(file)))
      t.equal(problems.damagedSegments, 1)
      spool.acknowledge(800)
      await spool.close()
      t.strictSame(segments(directory), [])
      const kept = readdirSync(directory).filter((name) => name.endsWith('.broken'))
      t.strictSame(kept, name === 'a missing file' ? [] : [`${basename(file)}.broken`])
    })
  }

  await t.test('while the process runs, in the segment that is written to', async (t) => {
    const directory = newDirectory(t)
    const { spool, problems } = await openSpool(directory)
    append(spool, 0, 10)
    overwrite(segments(directory)[0]!, 500)
    const before = await readAll(spool)
    t.ok(before.length < 10)
    t.equal(problems.failedEvents, 10 - before.length)
    append(spool, 10, 20)
    t.strictSame(await readAll(spool), range(10, 20))
    await spool.close()
  })
})

void t.test('a damaged acknowledgement means that all is sent again', async (t) => {
  for (const content of [
    '',
    '5',
    '5 \n',
    '7 00000000\n',
    '99999999999999999999 00000000\n',
    '\0\0\0\0',
    '{}\n',
  ]) {
    await t.test(JSON.stringify(content), async (t) => {
      const directory = newDirectory(t)
      await abandon(directory, async (spool) => {
        append(spool, 0, 10)
        spool.acknowledge((await spool.read(4, Infinity)).end)
      })
      writeFileSync(join(directory, 'acknowledged'), content)
      const { spool, problems } = await openSpool(directory)
      t.match(problems.messages, [
        /^spool damaged: .*acknowledged is not as it was.*acknowledged\.broken.* sent again/,
      ])
      t.strictSame(await readAll(spool), range(0, 10))
      spool.acknowledge(10)
      await spool.close()
      const again = await openSpool(directory)
      t.strictSame(again.problems.messages, [])
      t.equal(again.spool.pending, 0)
      await again.spool.close()
    })
  }

  await t.test('so does a missing one', async (t) => {
    const directory = newDirectory(t)
    await abandon(directory, async (spool) => {
      append(spool, 0, 10)
      spool.acknowledge((await spool.read(4, Infinity)).end)
    })
    rmSync(join(directory, 'acknowledged'))
    const { spool } = await openSpool(directory)
    t.strictSame(await readAll(spool), range(0, 10))
    await spool.close()
  })
})

void t.test('an acknowledgement of more than a power cut has left', async (t) => {
  const directory = newDirectory(t)
  await abandon(directory, async (spool) => {
    append(spool, 0, 10)
    spool.acknowledge((await spool.read(9, Infinity)).end)
  })
  truncateSync(segments(directory)[0]!, 300)
  const { spool } = await openSpool(directory)
  t.equal(spool.pending, 0)
  append(spool, 20, 25)
  t.strictSame(await readAll(spool), range(20, 25))
  await spool.close()
  const again = await openSpool(directory)
  t.strictSame(await readAll(again.spool), range(20, 25))
  await again.spool.close()
})

void t.test('the last segment, or the only one, is broken', async (t) => {
  const ways: Record<string, (file: string) => void> = {
    'an empty file': (file) => truncateSync(file, 0),
    'the start is another': (file) => overwrite(file, 3),
    'a file of somebody else': (file) => writeFileSync(file, 'what is this?\n'),
    'a directory': (file) => {
      rmSync(file)
      mkdirSync(join(file, 'with'), { recursive: true })
    },
    'a link to nothing': (file) => {
      rmSync(file)
      symlinkSync('nowhere', file)
    },
  }
  for (const [name, spoil] of Object.entries(ways)) {
    for (const many of [false, true]) {
      await t.test(`${name}, ${many ? 'after others' : 'alone'}`, async (t) => {
        const directory = newDirectory(t)
        const events = many ? 800 : 10
        await abandon(directory, (spool) => {
          for (let i = 0; i < events; i += 10) append(spool, i, i + 10, 1000)
        })
        const file = segments(directory).at(-1)!
        const base = Number(/(\d+)\.segment$/.exec(file)?.[1])
        spoil(file)
        const { spool, problems } = await openSpool(directory)
        t.equal(problems.damagedSegments, 1)
        t.equal(problems.failedEvents, 0, 'nobody knows how many')
        t.match(problems.messages, [new RegExp(`^damaged: ${file}: .*${basename(file)}\\.broken$`)])
        t.ok(readdirSync(directory).includes(`${basename(file)}.broken`))
        append(spool, 1000, 1010)
        t.strictSame(await readAll(spool), [...range(0, base), ...range(1000, 1010)])
        await spool.close()

        const again = await openSpool(directory)
        t.strictSame(again.problems.messages, [], 'it is told once')
        t.strictSame(await readAll(again.spool), [...range(0, base), ...range(1000, 1010)])
        again.spool.acknowledge(again.spool.end)
        await again.spool.close()
        t.strictSame(segments(directory), [])

        const third = await openSpool(directory)
        t.strictSame(third.problems.messages, [], 'also when everything is delivered')
        t.equal(third.spool.pending, 0)
        await third.spool.close()
      })
    }
  }
})

void t.test('the first segments are missing', async (t) => {
  const directory = newDirectory(t)
  await abandon(directory, async (spool) => {
    for (let i = 0; i < 800; i += 10) append(spool, i, i + 10, 1000)
    spool.acknowledge((await spool.read(3, Infinity)).end)
  })
  const [first, second] = segments(directory) as [string, string]
  rmSync(first)
  const base = Number(/(\d+)\.segment$/.exec(second)?.[1])
  const { spool, problems } = await openSpool(directory)
  t.equal(problems.failedEvents, base - 3)
  t.match(problems.messages, [`damaged: ${directory}: the segments from 3 to ${base} are missing`])
  t.strictSame(await readAll(spool), range(base, 800))
  await spool.close()
})

void t.test('a segment that ends before what was delivered of it', async (t) => {
  const directory = newDirectory(t)
  await abandon(directory, async (spool) => {
    append(spool, 0, 10)
    spool.acknowledge((await spool.read(9, Infinity)).end)
  })
  const size = encodeRecord(Buffer.from(line(0))).length
  truncateSync(segments(directory)[0]!, 8 + 2 * size)
  const { spool, problems } = await openSpool(directory)
  t.equal(problems.damagedSegments, 1)
  t.match(problems.messages, [/^damaged: .*: the last segment ends at 2, though 9 were delivered$/])
  append(spool, 10, 12)
  t.strictSame(await readAll(spool), [10, 11])
  await spool.close()
})

void t.test('names that no segment can have', async (t) => {
  const directory = newDirectory(t)
  await abandon(directory, (spool) => void append(spool, 0, 10))
  writeFileSync(join(directory, '9999999999999999.segment'), 'x')
  writeFileSync(join(directory, '0000400000000000.segment'), 'x')
  writeFileSync(join(directory, 'notes.txt'), 'x')
  const { spool, problems } = await openSpool(directory)
  t.equal(problems.failedEvents, 0)
  t.match(problems.messages, [/0000400000000000\.segment: not a segment.*\.foreign\.broken/])
  append(spool, 10, 12)
  t.strictSame(await readAll(spool), range(0, 12))
  await spool.close()
})

void t.test('a file of somebody else with a number in the middle of a segment', async (t) => {
  const directory = newDirectory(t)
  await abandon(directory, (spool) => {
    for (let i = 0; i < 400; i += 10) append(spool, i, i + 10, 1000)
  })
  writeFileSync(join(directory, '0000000000000050.segment'), 'x')
  for (let start = 0; start < 2; start++) {
    const { spool, problems } = await openSpool(directory)
    t.equal(problems.failedEvents, 0)
    t.equal(problems.damagedSegments, start === 0 ? 1 : 0)
    t.strictSame(await readAll(spool), range(0, 400))
    await spool.close()
  }
})

void t.test('numbers of what was put aside are not used again', async (t) => {
  const directory = newDirectory(t)
  await abandon(directory, (spool) => {
    for (let i = 0; i < 400; i += 10) append(spool, i, i + 10, 1000)
  })
  for (const file of segments(directory)) truncateSync(file, 0)
  rmSync(join(directory, 'acknowledged'), { force: true })
  for (let start = 0; start < 3; start++) {
    const { spool, problems } = await openSpool(directory)
    t.equal(problems.failedEvents > 0, start === 0)
    for (let i = 0; i < 100; i += 10) append(spool, start * 100 + i, start * 100 + i + 10, 1000)
    t.strictSame(await readAll(spool), range(0, (start + 1) * 100))
    await spool.close()
  }
})

void t.test('whatever is in the place of the acknowledgement', async (t) => {
  for (const name of ['acknowledged', 'acknowledged.tmp']) {
    await t.test(name, async (t) => {
      const directory = newDirectory(t)
      await abandon(directory, (spool) => void append(spool, 0, 10))
      rmSync(join(directory, name), { force: true })
      mkdirSync(join(directory, name))
      const { spool } = await openSpool(directory)
      t.strictSame(await readAll(spool), range(0, 10))
      spool.acknowledge(10)
      await spool.close()
      const again = await openSpool(directory)
      t.strictSame(again.problems.messages, [])
      t.equal(again.spool.pending, 0)
      await again.spool.close()
    })
  }
})

void t.test('what somebody does in the directory while the process runs', async (t) => {
  await t.test('the segment that is written to is deleted', async (t) => {
    const directory = newDirectory(t)
    const { spool, problems } = await openSpool(directory)
    append(spool, 0, 10)
    rmSync(segments(directory)[0]!)
    append(spool, 10, 20)
    t.strictSame(await readAll(spool), range(10, 20))
    t.equal(problems.failedEvents, 10)
    await spool.close()
    const again = await openSpool(directory)
    t.strictSame(await readAll(again.spool), range(10, 20))
    await again.spool.close()
  })

  await t.test('the directory is deleted', async (t) => {
    const directory = newDirectory(t)
    const { spool, problems } = await openSpool(directory)
    append(spool, 0, 10)
    rmSync(directory, { recursive: true })
    append(spool, 10, 20)
    t.strictSame(await readAll(spool), range(10, 20))
    t.equal(problems.failedEvents, 10)
    await spool.close()
  })

  await t.test('a file has the name of the next segment', async (t) => {
    const directory = newDirectory(t)
    const { spool, problems } = await openSpool(directory)
    writeFileSync(join(directory, '0000000000000000.segment'), '')
    append(spool, 0, 10)
    t.match(problems.messages, [/^damaged: .*0000000000000000\.segment: not written by this process/])
    t.strictSame(await readAll(spool), range(0, 10))
    await spool.close()
  })
})

void t.test('of what is broken, not everything is kept for ever', async (t) => {
  const directory = newDirectory(t)
  for (let i = 0; i < 40; i++) {
    await abandon(directory, (spool) => void append(spool, i, i + 1))
    overwrite(segments(directory)[0]!, 3)
  }
  const kept = readdirSync(directory).filter((name) => name.includes('.broken'))
  t.ok(kept.length >= 10 && kept.length <= 20, String(kept.length))
})

void t.test('a directory is for one process', async (t) => {
  for (const depth of [0, 10]) {
    await t.test(depth === 0 ? 'short path' : 'path too long for a socket', async (t) => {
      const directory = join(newDirectory(t), ...Array<string>(depth).fill('a-long-name'))
      const { spool } = await openSpool(directory)
      const refused = openSpool(directory)
      await t.rejects(refused, ConfigError)
      await t.rejects(refused, {
        message: `--audit-webhook-spool-directory: ${directory} is in use by another process`,
      })
      await spool.close()
      const next = await openSpool(directory)
      await next.spool.close()
      t.strictSame(readdirSync(directory), [])
    })
  }

  await t.test('of several that start at once after a crash, one gets it', async (t) => {
    const directory = newDirectory(t)
    await leaveStaleLock(directory)
    const started = await Promise.allSettled(range(0, 8).map(() => openSpool(directory)))
    const opened = started.filter((result) => result.status === 'fulfilled')
    t.equal(opened.length, 1)
    for (const { value } of opened) await value.spool.close()
    t.strictSame(readdirSync(directory), [])
  })
})

void t.test('a directory that cannot be one', async (t) => {
  const file = join(t.testdir({ file: '' }), 'file')
  await t.rejects(openSpool(file), ConfigError)
  await t.rejects(openSpool(join(file, 'below')), {
    name: 'ConfigError',
    message: /^--audit-webhook-spool-directory: /,
  })
})

void t.test('a full disk takes all or nothing of a write', async (t) => {
  const directory = mountSmallDisk(t, 256)
  if (directory === undefined) return
  const { spool, problems } = await openSpool(directory)
  t.equal(append(spool, 0, 100, 1000), 100)
  t.throws(() => append(spool, 100, 400, 1000), { code: 'ENOSPC' })
  const stored = 100 + append(spool, 100, 110, 1000)
  t.throws(() => append(spool, stored, stored + 300, 1000), { code: 'ENOSPC' })
  t.strictSame(await readAll(spool), range(0, stored))
  spool.acknowledge(stored)
  await spool.close()
  t.strictSame(problems.messages, [])
  const again = await openSpool(directory)
  t.equal(again.spool.pending, 0)
  t.equal(append(again.spool, 0, 100, 1000), 100)
  await again.spool.close()
})

function overwrite(file: string, position: number): void {
  const content = readFileSync(file)
  content[position] = (content[position] as number) ^ 0x55
  writeFileSync(file, content)
}

/** A process that is killed while it listens leaves its socket behind. */
async function leaveStaleLock(directory: string): Promise<void> {
  mkdirSync(directory)
  const script = join(directory, '..', 'stale.mjs')
  writeFileSync(
    script,
    `import { createServer } from 'node:net'
     process.chdir(${JSON.stringify(directory)})
     createServer().listen('lock.stale', () => process.send('ready'))`,
  )
  const child = fork(script)
  await once(child, 'message')
  child.kill('SIGKILL')
  await once(child, 'exit')
}
