/**
 * The bytes of a YAML text as go-yaml's reader takes them (go.yaml.in/yaml/v2 readerc.go yaml_parser_determine_encoding):
 * UTF-16 where a byte-order mark says so, otherwise UTF-8.
 */
export function decodeYAML(body: Buffer): string {
  const mark = body.length < 2 ? 0 : body.readUInt16BE(0)
  if (mark === 0xfffe) return body.toString('utf16le', 2)
  if (mark === 0xfeff)
    return Buffer.from(body.subarray(2, body.length & ~1))
      .swap16()
      .toString('utf16le')
  return body.toString('utf8')
}

/** `---` or `...` at the beginning of a line, for which U+2028 and U+2029 also count. */
const MARKER = /^(?:---|\.\.\.)(?=[ \t]|$)/gm
/** What may stand before a document's `---`. */
const PROLOGUE = /^(?:%.*|[ \t]*(?:#.*)?)$/

/**
 * The first document in `text`, which is all that go-yaml's Unmarshal reads: what follows is not even parsed.
 *
 * @param text with `\n`, U+2028 and U+2029 as its only line breaks
 */
export function firstDocument(text: string): string {
  let begun = false
  for (const { 0: marker, index } of text.matchAll(MARKER)) {
    const starts = !begun && marker === '---' && text.slice(0, index).split(BREAK).every(isPrologue)
    if (!starts) return text.slice(0, index)
    begun = true
  }
  return text
}

const BREAK = /[\n\u2028\u2029]/

function isPrologue(line: string): boolean {
  return PROLOGUE.test(line)
}
