/*
 * Reading JSON text without parsing it into values. Offsets are into that text, which is valid and without white space
 * outside strings, as compactJSON makes it, except where a function says that it copes with less.
 */

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Tells a visitor's caller to stop; also what a function returns where the text is cut off. */
export const STOP = -1

/** The offset behind the string that begins (with its quote) at `start`, or STOP where it does not end. */
export function endOfString(text: string, start: number): number {
  for (let from = start + 1; ;) {
    const quote = text.indexOf('"', from)
    if (quote < 0) return STOP
    let slashes = quote
    while (slashes > from && text.charCodeAt(slashes - 1) === BACKSLASH) slashes--
    if (((quote - slashes) & 1) === 0) return quote + 1
    from = quote + 1
  }
}

/** The offset behind the value that begins at `start`, or STOP where it does not end. White space may be anywhere. */
export function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length;) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i)
        if (i < 0) return STOP
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
    if (depth <= 0) return i
  }
  return STOP
}

function endsLiteral(c: number): boolean {
  return c === COMMA || c === CLOSE_ARRAY || c === CLOSE_OBJECT || c <= 0x20
}

/** The offset of the first character at or behind `i` that is not white space. */
export function skipSpace(text: string, i: number): number {
  for (; ; i++) {
    const c = text.charCodeAt(i)
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return i
  }
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

/** The string that begins at `start`; undefined where the value there is no string. */
export function stringAt(text: string, start: number): string | undefined {
  return isString(text, start) ? decodeString(text, start, endOfString(text, start)) : undefined
}

/** Sees one member of an object: its name, where its value and its key begin. Returns the value's end, or STOP. */
export type VisitMember = (name: string, value: number, key: number) => number

/**
 * Visits the members of the object at `start` in order, and returns the offset behind the object, or STOP if the visitor
 * said so. A value that is no object has no members. The visitor finds the end of each value, so that nested visits
 * read the text once.
 */
export function visitMembers(text: string, start: number, visit: VisitMember): number {
  if (!isObject(text, start)) return endOfValue(text, start)
  let i = start + 1
  while (isString(text, i)) {
    const end = endOfString(text, i)
    i = visit(decodeString(text, i, end), end + 1, i)
    if (i < 0) return STOP
    if (text.charCodeAt(i) === COMMA) i++
  }
  return i + 1
}

/** Visits the items of the array at `start`, as visitMembers does the members of an object. */
export function visitItems(text: string, start: number, visit: (item: number) => number): number {
  if (!isArray(text, start)) return endOfValue(text, start)
  let i = start + 1
  while (i < text.length && text.charCodeAt(i) !== CLOSE_ARRAY) {
    i = visit(i)
    if (i < 0) return STOP
    if (text.charCodeAt(i) === COMMA) i++
  }
  return i + 1
}
