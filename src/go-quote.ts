const PRINTABLE = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u
/** What Go's escapes have letters for. */
export const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** Go's strconv.Quote, which is what %q prints. */
export function quote(value: string): string {
  if (/^[ !#-[\]-~]*$/.test(value)) return `"${value}"`
  let out = '"'
  for (const char of value) {
    const code = char.codePointAt(0) as number
    const hex = code.toString(16)
    const short = SHORT_ESCAPES[char]
    if (short !== undefined) out += short
    else if (code >= 0xd800 && code <= 0xdfff) out += '\\ufffd'
    else if (PRINTABLE.test(char)) out += char
    else if (code < 0x20 || code === 0x7f) out += `\\x${hex.padStart(2, '0')}`
    else out += code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
  }
  return out + '"'
}
