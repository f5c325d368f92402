/**
 * Percent-encoding as Go's net/url reads and writes it. Strings here are what Node hands us for a request line or a
 * header: one character per byte received.
 */

const PERCENT = 0x25
const PLUS = 0x2b
const SPACE = 0x20

/**
 * Decodes percent-escapes to bytes (net/url unescape). Undefined where a `%` is not followed by two hexadecimal
 * digits, which Go refuses as well. In a query, `+` is a space.
 */
export function unescapeBytes(s: string, inQuery: boolean): Buffer | undefined {
  const out = Buffer.allocUnsafe(s.length)
  let n = 0
  for (let i = 0; i < s.length; i++) {
    let c = s.charCodeAt(i)
    if (c === PERCENT) {
      const high = hexDigit(s.charCodeAt(i + 1))
      const low = hexDigit(s.charCodeAt(i + 2))
      if (high < 0 || low < 0) return undefined
      c = high * 16 + low
      i += 2
    } else if (c === PLUS && inQuery) {
      c = SPACE
    }
    out[n++] = c
  }
  return out.subarray(0, n)
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30
  if (c >= 0x41 && c <= 0x46) return c - 0x41 + 10
  if (c >= 0x61 && c <= 0x66) return c - 0x61 + 10
  return -1 // NaN, past the end, comes here too
}

/** One key or value of a query (net/url QueryUnescape). Undefined where an escape is broken. */
export function queryUnescape(s: string): string | undefined {
  return /[%+]|[^ -~]/.test(s) ? unescapeBytes(s, true)?.toString('utf8') : s
}

/** A decoded path, encoded again (net/url escape in mode encodePath). */
export function escapePath(path: Buffer): string {
  let out = ''
  for (const c of path) {
    const char = String.fromCharCode(c)
    out += /[A-Za-z0-9\-_.~$&+,/:;=@]/.test(char) ? char : '%' + c.toString(16).toUpperCase().padStart(2, '0')
  }
  return out
}

/** Text that arrived one character per byte, as UTF-8. Bytes that are not UTF-8 become U+FFFD. */
export function utf8FromBytes(s: string): string {
  return /[\x80-\xff]/.test(s) ? Buffer.from(s, 'latin1').toString('utf8') : s
}
