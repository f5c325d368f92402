const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
}
const ESCAPE =
  /\\(?:([abfnrtv\\'"`?])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))|\\/g

/**
 * What stands between the quotes of a string, without its escapes (cel-go parser/unescape.go).
 *
 * @throws Error
 */
export function unescapeString(body: string): string {
  return body.replace(
    ESCAPE,
    (_all, simple?: string, hex?: string, four?: string, eight?: string, octal?: string) => {
      if (simple !== undefined) return SIMPLE[simple] as string
      const code = codeOf(hex ?? four ?? eight, octal)
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new Error('invalid unicode code point')
      return String.fromCodePoint(code)
    },
  )
}

/**
 * The same of a bytes literal, where `\x` and octal escapes are bytes and there are no others by number.
 *
 * @throws Error
 */
export function unescapeBytes(body: string, raw: boolean): Uint8Array {
  if (raw) return Buffer.from(body)
  const parts: Buffer[] = []
  let last = 0
  for (const found of body.matchAll(ESCAPE)) {
    const [all, simple, hex, four, eight, octal] = found
    parts.push(Buffer.from(body.slice(last, found.index)))
    if (four !== undefined || eight !== undefined) throw new Error('unable to unescape string')
    parts.push(simple === undefined ? Buffer.of(codeOf(hex, octal)) : Buffer.from(SIMPLE[simple] as string))
    last = found.index + all.length
  }
  parts.push(Buffer.from(body.slice(last)))
  return new Uint8Array(Buffer.concat(parts))
}

function codeOf(hex: string | undefined, octal: string | undefined): number {
  if (hex !== undefined) return Number.parseInt(hex, 16)
  if (octal !== undefined) return Number.parseInt(octal, 8)
  throw new Error('unable to unescape string')
}
