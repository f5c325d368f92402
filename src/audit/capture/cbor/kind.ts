import { ARRAY, BYTES, CBORReader, MAP, TAG, TEXT, UnexpectedEnd } from './reader.js'

/**
 * The `kind` at the top level of the CBOR map that `prefix` begins with; undefined where it has not been seen yet, and
 * the empty string where `prefix` begins with something else. kube-apiserver writes the keys of a response in any order.
 */
export function kindOfCBOR(prefix: Buffer): string | undefined {
  const reader = new CBORReader(prefix)
  try {
    do reader.head()
    while (reader.major === TAG)
    if (reader.major !== MAP) return ''
    for (let left = reader.count() ?? Infinity; left > 0 && !reader.atBreak(); left--) {
      if (stringOrNothing(reader) === 'kind') return stringOrNothing(reader) ?? ''
      skip(reader)
    }
    return ''
  } catch (err) {
    return err instanceof UnexpectedEnd ? undefined : ''
  }
}

/** Reads the next item: a string, or something else that is skipped. */
function stringOrNothing(reader: CBORReader): string | undefined {
  const major = reader.peek()
  if (major !== BYTES && major !== TEXT) {
    skip(reader)
    return undefined
  }
  reader.head()
  return reader.string().toString('utf8')
}

/** Reads past the next item, whatever is in it. */
function skip(reader: CBORReader): void {
  /** How many items are left of each array and map that has begun; Infinity where a break ends it. */
  const open: number[] = []
  let left = 1
  for (;;) {
    while (left === 0 || (left === Infinity && reader.atBreak())) {
      const outer = open.pop()
      if (outer === undefined) return
      left = outer
    }
    reader.head()
    if (reader.major === TAG) continue
    left--
    if (reader.major === BYTES || reader.major === TEXT) reader.string()
    else if (reader.major === ARRAY || reader.major === MAP) {
      open.push(left)
      left = (reader.count() ?? Infinity) * (reader.major === MAP ? 2 : 1)
    }
  }
}
