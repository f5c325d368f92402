/**
 * A copy of `buf` in which each byte that does not belong to a UTF-8 sequence is U+FFFD: Go's unicode/utf8 DecodeRune
 * consumes one byte at a time where TextDecoder takes a truncated sequence as one.
 */
export function replaceInvalidUTF8(buf: Buffer): Buffer {
  let invalid = 0
  for (let i = 0; i < buf.length;) {
    const size = sequenceLength(buf, i)
    if (size === 0) invalid++
    i += size || 1
  }
  const out = Buffer.allocUnsafeSlow(buf.length + 2 * invalid)
  let end = 0
  for (let i = 0; i < buf.length;) {
    const size = sequenceLength(buf, i)
    if (size === 0) {
      out[end++] = 0xef
      out[end++] = 0xbf
      out[end++] = 0xbd
      i++
    } else {
      for (const next = i + size; i < next; i++) out[end++] = buf[i] as number
    }
  }
  return out
}

/** The length of the UTF-8 sequence at i, or 0 where there is none (the Unicode Standard, table 3-7). */
function sequenceLength(buf: Buffer, i: number): number {
  const c = buf[i] as number
  if (c < 0x80) return 1
  if (c < 0xc2 || c > 0xf4) return 0
  const second = buf[i + 1] ?? 0
  if (c < 0xe0) return isContinuation(second) ? 2 : 0
  if (c < 0xf0) {
    const least = c === 0xe0 ? 0xa0 : 0x80
    const most = c === 0xed ? 0x9f : 0xbf
    return second >= least && second <= most && isContinuation(buf[i + 2]) ? 3 : 0
  }
  const least = c === 0xf0 ? 0x90 : 0x80
  const most = c === 0xf4 ? 0x8f : 0xbf
  return second >= least && second <= most && isContinuation(buf[i + 2]) && isContinuation(buf[i + 3]) ? 4 : 0
}

function isContinuation(c: number | undefined): boolean {
  return c !== undefined && (c & 0xc0) === 0x80
}
