import { isUtf8 } from 'node:buffer'
import { replaceInvalidUTF8 } from './utf8.js'

const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const TILDE = 0x7e

/** The string whose UTF-8 is buf[start, stop), as JSON. Bytes that are not UTF-8 become U+FFFD, one each, as in Go. */
export function jsonString(buf: Buffer, start: number, stop: number): string {
  // Most strings are plain ASCII, and need no escapes.
  for (let i = start; i < stop; i++) {
    const c = buf[i] as number
    if (c >= SPACE && c <= TILDE && c !== QUOTE && c !== BACKSLASH) continue
    const bytes = buf.subarray(start, stop)
    return JSON.stringify((isUtf8(bytes) ? bytes : replaceInvalidUTF8(bytes)).toString('utf8'))
  }
  return `"${buf.toString('latin1', start, stop)}"`
}

/** A double as Go's encoding/json prints it, or null for what JSON has no number for. */
export function formatDouble(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  return Object.is(value, -0) ? '-0' : String(value)
}
