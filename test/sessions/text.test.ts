import { createHash } from 'node:crypto'
import t from 'tap'
import { readExit } from '../../src/sessions/exit-status.js'
import { OutputText } from '../../src/sessions/output-text.js'
import { PlainText } from '../../src/sessions/plain-text.js'
import { TypedInput } from '../../src/sessions/typed-input.js'

await t.test('plain text has no escape sequences, however they are cut', async (t) => {
  const table: [string, string][] = [
    ['\x1b[31mred\x1b[0m', 'red'],
    ['\x1b]0;title\x07after', 'after'],
    ['\x1b]52;c;cm0gLXJm\x1b\\after', 'after'],
    ['\x1bP+q544e\x1b\\\x1bXx\x1b\\\x1b^x\x1b\\\x1b_x\x1b\\after', 'after'],
    ['\x9b31mC1\x9d0;x\x9cafter', 'C1after'],
    ['\x1b(B\x1b=\x1bcafter', 'after'],
    ['one\r\ntwo\r\n', 'one\ntwo\n'],
    ['10%\r20%\r\n', '10%\n20%\n'],
    ['a\x1b\x1b[31mb', 'ab'],
    ['tab\there\b\x00\x07', 'tab\there'],
    ['right\u202eto left\u200b', 'rightto left'],
    ['ends in \x1b[3', 'ends in '],
  ]
  for (const [from, to] of table) {
    t.equal(new PlainText().write(from), to, JSON.stringify(from))
    const pieces = new PlainText()
    t.equal([...from].map((c) => pieces.write(c)).join(''), to)
  }
})

await t.test('output that is text, and output that is none', async (t) => {
  const run = (pieces: readonly Buffer[], tty = false): unknown[] => {
    const seen: unknown[] = []
    const output = new OutputText(tty, {
      text: (text) => seen.push(text),
      binary: (bytes, sha256) => seen.push({ bytes, sha256 }),
    })
    for (const piece of pieces) output.push(piece)
    output.end()
    return seen
  }
  const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
  const euro = Buffer.from('€')
  t.strictSame(run([euro.subarray(0, 2), euro.subarray(2), Buffer.from('x')]), ['€', 'x'])
  t.strictSame(run([Buffer.from('caf\xe9, in Latin-1', 'latin1')]), ['caf\ufffd, in Latin-1'])
  const binary = Buffer.from([1, 0, 2])
  t.strictSame(run([Buffer.from('before'), binary, binary, Buffer.from('after')]), [
    'before',
    { bytes: 6, sha256: sha(Buffer.concat([binary, binary])) },
    'after',
  ])
  t.strictSame(run([Buffer.from([0xff, 0xfe, 0xfd, 0xfc])]), [
    { bytes: 4, sha256: sha(Buffer.from([0xff, 0xfe, 0xfd, 0xfc])) },
  ])
  const tar = Buffer.alloc(512)
  tar.write('ustar', 257)
  const text = Buffer.from('a file of text')
  t.strictSame(
    run([tar, text]),
    [{ bytes: 526, sha256: sha(Buffer.concat([tar, text])) }],
    'an archive to its end',
  )
  t.strictSame(run([binary], true), ['\x01\0\x02'], 'a terminal gets what it gets')
})

await t.test('what is typed, and what of it does not echo', async (t) => {
  const table: Record<string, [string, string][]> = {
    // i: typed, o: shown; then what is recorded.
    'keys that echo': [
      ['i', 'l'],
      ['o', 'l'],
      ['i', 's'],
      ['o', 's'],
      ['i', '\r'],
      ['=', 'ls\r'],
    ],
    'a line that was pasted': [
      ['i', 'ls -l\r'],
      ['o', 'ls -l\r\n'],
      ['=', 'ls -l\r'],
    ],
    'a line whose echo comes in pieces': [
      ['i', 'ls -l\r'],
      ['o', '$ ls'],
      ['o', ' -l\r\n'],
      ['=', 'ls -l\r'],
    ],
    'a password that begins as what was shown ends': [
      ['i', 'secret\r'],
      ['o', 'yes'],
      ['o', '\r\n'],
      ['=', '*'],
    ],
    'a password, key by key': [
      ['i', 'a'],
      ['i', 'b'],
      ['i', '\r'],
      ['o', '\r\n'],
      ['=', '*'],
    ],
    'a password at once': [
      ['i', 'secret\r'],
      ['o', '\r\nwelcome\r\n'],
      ['=', '*'],
    ],
    'a password, and nothing after it': [
      ['i', 'secret'],
      ['=', '*'],
    ],
    'keys that make no mark': [
      ['i', '\x03'],
      ['i', '\x1b[A'.slice(0, 1)],
      ['=', '\x03\x1b'],
    ],
    'a program with a screen of its own': [
      ['o', '\x1b[?1049h'],
      ['i', ':q'],
      ['=', ':q'],
    ],
    'and after it': [
      ['o', '\x1b[?1049h'],
      ['o', '\x1b[?1049l'],
      ['i', 'secret\r'],
      ['o', '\r\n'],
      ['=', '*'],
    ],
  }
  for (const [name, steps] of Object.entries(table)) {
    let got = ''
    const input = new TypedInput({ text: (text) => (got += text), withheld: () => (got += '*') })
    for (const [what, text] of steps) {
      if (what === 'i') input.typed(text)
      else if (what === 'o') input.shown(text)
    }
    input.end()
    t.equal(got, steps.at(-1)?.[1], name)
  }
})

await t.test('how a command ended', async (t) => {
  const failure = (reason: string, causes: unknown, message = 'words'): string =>
    JSON.stringify({ status: 'Failure', reason, message, details: { causes } })
  const table: [string, number | undefined, string][] = [
    ['{"metadata":{},"status":"Success"}', 0, 'Success'],
    [failure('NonZeroExitCode', [{ reason: 'ExitCode', message: '137' }]), 137, 'NonZeroExitCode'],
    [failure('NonZeroExitCode', [null, { reason: 'ExitCode', message: 'x' }]), undefined, 'NonZeroExitCode'],
    [failure('NonZeroExitCode', 'no list'), undefined, 'NonZeroExitCode'],
    [failure('InternalError', []), undefined, 'words'],
    [
      'command terminated with non-zero exit code: exit status 3',
      3,
      'command terminated with non-zero exit code: exit status 3',
    ],
    ['null', undefined, 'null'],
  ]
  for (const [text, exitCode, reason] of table) t.strictSame(readExit(text), { exitCode, reason })
})
