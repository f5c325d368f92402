/*
 * Reading JSON text without parsing it into values. Everything here expects text from compactJSON: valid, without white
 * space outside strings. Offsets are into that text.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** The offset behind the string that begins (with its quote) at `start`. */
export function endOfString(text: string, start: number): number {
  for (let from = start + 1; ;) {
    const quote = text.indexOf('"', from)
    if (quote < 0) return text.length
    let slashes = quote
    while (slashes > from && text.charCodeAt(slashes - 1) === BACKSLASH) slashes--
    if (((quote - slashes) & 1) === 0) return quote + 1
    from = quote + 1
  }
}

/** The offset behind the value that begins at `start`. */
export function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length;) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i)
        break
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth++
        i++
        continue
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--
        i++
        break
      default:
        i++
        if (depth > 0) continue
        while (i < text.length && !endsLiteral(text.charCodeAt(i))) i++
    }
    if (depth === 0) return i
  }
  return text.length
}

function endsLiteral(c: number): boolean {
  return c === 0x2c || c === CLOSE_ARRAY || c === CLOSE_OBJECT
}

export function isObject(text: string, start: number): boolean {
  return text.charCodeAt(start) === OPEN_OBJECT
}

export function isArray(text: string, start: number): boolean {
  return text.charCodeAt(start) === OPEN_ARRAY
}

export function isString(text: string, start: number): boolean {
  return text.charCodeAt(start) === QUOTE
}

/** The string whose text, with its quotes, is text[start, end). */
export function decodeString(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1)
  return raw.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : raw
}
