import t from 'tap'
import { printable, printableJSON, printableLines } from '../src/printable.js'

const HIDDEN: Readonly<Record<string, string>> = {
  'a control': '\u001b',
  'a control of C1': '\u009b',
  'a delete': '\u007f',
  'a soft hyphen': '\u00ad',
  'a joiner': '\u034f',
  'a turn of direction': '\u202e',
  'an isolate': '\u2067',
  'an Arabic letter mark': '\u061c',
  'a zero width space': '\u200b',
  'an interlinear annotation': '\ufff9',
  'a tag': '\u{e0041}',
  'a variation selector': '\ufe0f',
  'a Hangul filler': '\u3164',
  'private use': '\ue000',
  'private use beyond the first plane': '\u{f0000}',
  'what is not assigned': '\u0378',
  'no character': '\uffff',
  'a line separator': '\u2028',
  'a paragraph separator': '\u2029',
  'half a pair': '\ud800',
  'the other half': '\udc00',
}

void t.test('what a terminal obeys or hides', async (t) => {
  for (const [name, char] of Object.entries(HIDDEN)) {
    const escaped = [...Array(char.length).keys()]
      .map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join('')
    t.equal(printable(`a${char}b`), `a${escaped}b`, name)
    t.equal(printableJSON(`{"a":"${char}"}`), `{"a":"${escaped}"}`, name)
    t.equal(
      (JSON.parse(printableJSON(JSON.stringify({ a: char }))) as { a: string }).a,
      char,
      `${name}: the value`,
    )
  }
})

void t.test('and nothing else', async (t) => {
  for (const text of [
    '',
    'plain ~',
    'ärger',
    '日本語',
    'עברית',
    'ไทย',
    'हिन्दी',
    '😀',
    'a\u0301',
    '\u00a0',
    '€',
  ]) {
    t.equal(printable(text), text)
    t.equal(printableJSON(JSON.stringify(text)), JSON.stringify(text))
  }
})

void t.test('lines', async (t) => {
  t.equal(printable('a\nb\tc\r'), 'a\\u000ab\\u0009c\\u000d')
  t.equal(printableLines('a\nb\u009b\r\n'), 'a\nb\\u009b\\u000d\n')
  const json = '{"a":\t1,\r\n"b": "\\n\\u202e\u202e"}'
  t.equal(printableJSON(json), '{"a": 1,  "b": "\\n\\u202e\\u202e"}')
  t.strictSame(JSON.parse(printableJSON(json)), JSON.parse(json))
})
