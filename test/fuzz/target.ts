import fc from 'fast-check'

/** What is given anything at all, and what must be true of it then. */
export interface FuzzTarget {
  readonly name: string
  /** Throws where it is not true. `limit` is how many milliseconds one input may take; none in tests. */
  readonly property: (limit: number) => fc.IRawProperty<unknown>
}

/** A target whose inputs are of one kind. */
export function target<T>(name: string, input: fc.Arbitrary<T>, check: (input: T) => void): FuzzTarget {
  return {
    name,
    property: (limit) =>
      fc.property(input, (value) => {
        const since = performance.now()
        check(value)
        const took = performance.now() - since
        if (took > limit) throw new Error(`took ${Math.round(took)} ms`)
      }),
  }
}

/** Calls `read`, which may refuse its input by one class of error alone, with a message of one line. */
export function mayRefuse<T>(refusal: new (...args: never[]) => Error, read: () => T): T | undefined {
  try {
    return read()
  } catch (err) {
    if (!(err instanceof refusal)) throw err
    assert(!/[\r\n]/.test(err.message), `a message of several lines: ${JSON.stringify(err.message)}`)
    return undefined
  }
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

/** JSON on one line; what it says. */
export function readLine(json: string): unknown {
  assert(!/[\r\n]/.test(json), 'more than one line')
  return JSON.parse(json)
}

/** Text made of pieces that mean something to a parser, and of others. */
export function soup(pieces: readonly string[], maxLength = 40): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...pieces) },
    fc.string({ unit: 'binary', maxLength: 4 }),
  )
  return fc.array(piece, { maxLength }).map((all) => all.join(''))
}

/** Bytes that were something before some of them were changed, taken out, or doubled. */
export function mutated(original: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const change = fc.tuple(fc.constantFrom('set', 'cut', 'insert', 'end', 'double'), fc.nat(), fc.nat(255))
  return fc.tuple(original, fc.array(change, { maxLength: 6 })).map(([before, changes]) => {
    let bytes = Buffer.from(before)
    for (const [kind, place, value] of changes) {
      const at = bytes.length === 0 ? 0 : place % bytes.length
      if (kind === 'set' && bytes.length > 0) bytes[at] = value
      else if (kind === 'cut')
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (value % 8))])
      else if (kind === 'insert')
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([value]), bytes.subarray(at)])
      else if (kind === 'end') bytes = bytes.subarray(0, at)
      else if (bytes.length < 4096) bytes = Buffer.concat([bytes.subarray(0, at), bytes])
    }
    return bytes
  })
}
