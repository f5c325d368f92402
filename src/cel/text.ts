const HALVES = /[\ud800-\udfff]/

/** Whether every UTF-16 unit is a code point, as it is of nearly all texts. */
export function isPlain(text: string): boolean {
  return !HALVES.test(text)
}

/** How many code points a text has, which is its size in the expression language. */
export function codePoints(text: string): number {
  if (isPlain(text)) return text.length
  let count = 0
  for (const _char of text) count++
  return count
}
