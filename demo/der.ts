import { TAG } from '../src/authentication/der.js'

/** The few DER types (ITU-T X.690) that an X.509 certificate is made of. Each function returns one encoded value. */

/** One value: tag, length (short form below 128, long form above), content. */
function encode(tag: number, content: Uint8Array): Buffer {
  const length = content.length
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  const digits: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Buffer.concat([Buffer.of(tag, 0x80 | digits.length, ...digits), content])
}

export function sequence(...items: Uint8Array[]): Buffer {
  return encode(TAG.sequence, Buffer.concat(items))
}

/** A SET of one element, which needs no sorting. */
export function setOf(item: Uint8Array): Buffer {
  return encode(TAG.set, item)
}

/** A non-negative integer, most significant byte first. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  // A first bit of 1 would make it negative.
  const sign = (digits[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0)
  return encode(TAG.integer, Buffer.concat([sign, digits]))
}

export function boolean(value: boolean): Buffer {
  return encode(TAG.boolean, Buffer.of(value ? 0xff : 0))
}

/** `dotted` is an object identifier such as `2.5.4.3`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const septets = [arc % 128]
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128)) {
      septets.unshift((high % 128) | 0x80)
    }
    bytes.push(...septets)
  }
  return encode(TAG.objectIdentifier, Buffer.from(bytes))
}

export function utf8String(text: string): Buffer {
  return encode(TAG.utf8String, Buffer.from(text))
}

export function octetString(content: Uint8Array): Buffer {
  return encode(TAG.octetString, content)
}

/** A bit string whose last `unused` bits do not count. */
export function bitString(content: Uint8Array, unused = 0): Buffer {
  return encode(TAG.bitString, Buffer.concat([Buffer.of(unused), content]))
}

/** A time between 1950 and 2049, to the second. */
export function utcTime(time: Date): Buffer {
  const digits = time.toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return encode(TAG.utcTime, Buffer.from(`${digits}Z`))
}

/** A context-specific tag around complete values (EXPLICIT). */
export function explicit(tag: number, content: Uint8Array): Buffer {
  return encode(0xa0 | tag, content)
}

/** A context-specific tag in place of a primitive value's own (IMPLICIT). */
export function implicit(tag: number, content: Uint8Array): Buffer {
  return encode(0x80 | tag, content)
}
