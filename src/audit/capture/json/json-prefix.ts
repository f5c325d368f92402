import { endOfString, endOfValue, isArray, isObject, isString, skipSpace } from './json-cursor.js'

/** Sees one member that is there whole: its name, and where its value begins and ends. False ends the visit. */
export type VisitPrefixMember = (name: string, value: number, end: number) => boolean

/**
 * Visits the members of the JSON object that `prefix` begins with, as far as they are there whole, until the visitor says
 * false. Says false where `prefix` begins with no object. `prefix` may end anywhere and may have white space anywhere;
 * nothing is assumed about it, and what is no JSON ends the visit.
 */
export function visitPrefix(prefix: string, visit: VisitPrefixMember): boolean {
  let i = skipSpace(prefix, 0)
  if (i === prefix.length) return true
  if (!isObject(prefix, i)) return false
  i = skipSpace(prefix, i + 1)
  while (isString(prefix, i)) {
    const endOfKey = endOfString(prefix, i)
    if (endOfKey < 0) break
    const name = stringIn(prefix, i, endOfKey)
    i = skipSpace(prefix, endOfKey)
    if (prefix[i] !== ':') break
    const value = skipSpace(prefix, i + 1)
    const end = endOfValue(prefix, value)
    if (end < 0) break
    const closed = isString(prefix, value) || isObject(prefix, value) || isArray(prefix, value)
    // A number at the very end of the prefix may go on behind it.
    if (end === prefix.length && !closed) break
    if (name !== undefined && !visit(name, value, end)) break
    i = skipSpace(prefix, end)
    if (prefix[i] !== ',') break
    i = skipSpace(prefix, i + 1)
  }
  return true
}

/** The string at [start, end); undefined where there is none, or one that is not JSON. */
export function stringIn(text: string, start: number, end: number): string | undefined {
  if (!isString(text, start)) return undefined
  try {
    return JSON.parse(text.slice(start, end)) as string
  } catch {
    return undefined
  }
}
