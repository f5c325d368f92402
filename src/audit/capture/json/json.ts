import { isUtf8 } from 'node:buffer'
import { resolveDuplicateKeys } from './duplicate-keys.js'
import { type GoType, OTHER } from './go-type.js'
import { replaceInvalidUTF8 } from './utf8.js'

/** How deep a document may nest: Go's encoding/json maxNestingDepth. */
const MAX_DEPTH = 10000
/** An object with more keys than this looks for duplicates in a Set instead of a list. */
const MANY_KEYS = 24
/** What may follow a backslash. */
const ESCAPES: readonly number[] = [...'"\\/bfnrtu'].map((c) => c.charCodeAt(0))

const INVALID = -1
const HAS_SPACE = 1
const HAS_DUPLICATES = 2

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c

/**
 * The one JSON document in `body` as text on one line: white space outside strings is gone, and every number and string
 * is as it was sent. It is undefined unless kube-apiserver would have read `body` too: RFC 8259, one document, no
 * byte-order mark, at most 10000 levels deep (Go's encoding/json, which kube-apiserver's serializer runs first, in
 * k8s.io/apimachinery/pkg/runtime/serializer/json meta.go Interpret). Bytes that are not UTF-8 become U+FFFD, one each,
 * as in Go. Of duplicate keys only what kube-apiserver keeps is left, see resolveDuplicateKeys.
 *
 * `body` is not changed.
 *
 * @param typeOf tells what the document is decoded into; it is asked where there are duplicate keys. Without it of those the
 *   last one counts.
 */
export function compactJSON(body: Buffer, typeOf?: (text: string) => GoType | undefined): string | undefined {
  const utf8 = isUtf8(body) ? body : replaceInvalidUTF8(body)
  let length = utf8.length
  while (length > 0 && isSpace(utf8[length - 1])) length--
  const bytes = utf8.subarray(0, length)
  const found = scan(bytes)
  if (found === INVALID) return undefined
  const text = ((found & HAS_SPACE) === 0 ? bytes : withoutSpace(bytes)).toString('utf8')
  return (found & HAS_DUPLICATES) === 0 ? text : resolveDuplicateKeys(text, typeOf?.(text) ?? OTHER)
}

/**
 * Validates `buf` and reports whether it has white space outside strings and (possibly) duplicate keys: it compares
 * hashes of keys, so that a rare false alarm costs time and nothing else. A key with an escape in it is always an alarm,
 * as it may equal one without.
 */
function scan(buf: Buffer): number {
  const length = buf.length
  let found = 0
  let i = 0
  // For each open container, where its keys begin in `hashes`; -1 for an array.
  const open: number[] = []
  const hashes: number[] = []
  let top = 0
  let base = -1
  const many = new Map<number, Set<number>>()

  for (;;) {
    // A value is expected at i, after white space.
    let c = buf[i]
    while (isSpace(c)) {
      found |= HAS_SPACE
      c = buf[++i]
    }
    let expectKey = false
    if (c === QUOTE) {
      i = skipString(buf, i + 1, length)
      if (i < 0) return INVALID
    } else if (c === 0x7b /* { */ || c === 0x5b /* [ */) {
      if (open.length === MAX_DEPTH) return INVALID
      open.push(base)
      base = c === 0x7b ? top : -1
      c = buf[++i]
      while (isSpace(c)) {
        found |= HAS_SPACE
        c = buf[++i]
      }
      if (c !== (base < 0 ? 0x5d : 0x7d)) {
        if (base < 0) continue
        expectKey = true
      }
      // An empty container is closed below.
    } else {
      i = skipLiteral(buf, i, length)
      if (i < 0) return INVALID
    }

    // A value has ended at i (or an empty container's end or an object's first key is there).
    for (;;) {
      if (!expectKey) {
        c = buf[i]
        while (isSpace(c)) {
          found |= HAS_SPACE
          c = buf[++i]
        }
        if (open.length === 0) return i === length ? found : INVALID
        if (c === (base < 0 ? 0x5d : 0x7d)) {
          if (base >= 0) {
            if (top - base > MANY_KEYS) many.delete(base)
            top = base
          }
          base = open.pop() as number
          i++
          continue
        }
        if (c !== COMMA) return INVALID
        i++
        if (base < 0) break
        c = buf[i]
        while (isSpace(c)) {
          found |= HAS_SPACE
          c = buf[++i]
        }
      }
      if (c !== QUOTE) return INVALID
      const start = i + 1
      let hash = 0
      for (i = start; i < length; i++) {
        const k = buf[i] as number
        if (k === QUOTE || k < SPACE || k === BACKSLASH) break
        hash = (Math.imul(hash, 31) + k) | 0
      }
      if (buf[i] === BACKSLASH) found |= HAS_DUPLICATES
      i = skipString(buf, i, length)
      if (i < 0) return INVALID
      if ((found & HAS_DUPLICATES) === 0) {
        const count = top - base
        if (count < MANY_KEYS) {
          for (let k = base; k < top; k++) if (hashes[k] === hash) found |= HAS_DUPLICATES
        } else {
          let set = many.get(base)
          if (set === undefined) many.set(base, (set = new Set(hashes.slice(base, top))))
          if (set.has(hash)) found |= HAS_DUPLICATES
          set.add(hash)
        }
        hashes[top++] = hash
      }
      c = buf[i]
      while (isSpace(c)) {
        found |= HAS_SPACE
        c = buf[++i]
      }
      if (c !== COLON) return INVALID
      i++
      break
    }
  }
}

/** The offset behind a string whose rest begins at i, or -1. */
function skipString(buf: Buffer, i: number, length: number): number {
  while (i < length) {
    const c = buf[i++] as number
    if (c === QUOTE) return i
    if (c < SPACE) return -1
    if (c === BACKSLASH) {
      const e = buf[i++]
      if (e === 0x75 /* u */) {
        for (const end = i + 4; i < end; i++) if (!isHexDigit(buf[i])) return -1
      } else if (!isEscape(e)) return -1
    }
  }
  return -1
}

function isEscape(c: number | undefined): boolean {
  return c !== undefined && ESCAPES.includes(c)
}

function isSpace(c: number | undefined): boolean {
  return c === SPACE || c === LF || c === CR || c === TAB
}

function isHexDigit(c: number | undefined): boolean {
  return c !== undefined && ((c >= 0x30 && c <= 0x39) || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66))
}

function isDigit(c: number | undefined): boolean {
  return c !== undefined && c >= 0x30 && c <= 0x39
}

/** The offset behind a number, true, false or null that begins at i, or -1. */
function skipLiteral(buf: Buffer, i: number, length: number): number {
  let c = buf[i]
  if (c === 0x74) return isWord(buf, i, 'true')
  if (c === 0x66) return isWord(buf, i, 'false')
  if (c === 0x6e) return isWord(buf, i, 'null')
  if (c === 0x2d) c = buf[++i]
  if (!isDigit(c)) return -1
  i++
  if (c !== 0x30) while (i < length && isDigit(buf[i])) i++
  if (buf[i] === 0x2e) {
    if (!isDigit(buf[++i])) return -1
    while (i < length && isDigit(buf[i])) i++
  }
  c = buf[i]
  if (c === 0x65 || c === 0x45) {
    c = buf[++i]
    if (c === 0x2b || c === 0x2d) i++
    if (!isDigit(buf[i])) return -1
    while (i < length && isDigit(buf[i])) i++
  }
  return i
}

function isWord(buf: Buffer, i: number, word: string): number {
  for (let k = 0; k < word.length; k++) if (buf[i + k] !== word.charCodeAt(k)) return -1
  return i + word.length
}

/** A copy of valid JSON without the white space outside its strings. */
function withoutSpace(buf: Buffer): Buffer {
  const length = buf.length
  const out = Buffer.allocUnsafeSlow(length)
  let size = 0
  for (let i = 0; i < length; i++) {
    const c = buf[i] as number
    if (c <= SPACE) continue
    out[size++] = c
    if (c !== QUOTE) continue
    for (i++; i < length; i++) {
      const s = buf[i] as number
      out[size++] = s
      if (s === QUOTE) break
      if (s === BACKSLASH) out[size++] = buf[++i] as number
    }
  }
  return out.subarray(0, size)
}
