/** Go's unicode.IsSpace; String.trim knows U+FEFF as well, and not U+0085. */
const SPACES =
  '\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'

/** Go's strings.TrimSpace. No regular expression: one that looks for spaces at the end begins anew at each that it finds. */
export function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && SPACES.includes(text.charAt(start))) start++
  while (start < end && SPACES.includes(text.charAt(end - 1))) end--
  return text.slice(start, end)
}
