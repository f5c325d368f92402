import { duplicate, type FieldTree, type Parsed, type Tree, TreeError, type TreeProblem } from './tree.js'

/** As deep as Go's encoding/json goes. */
const MAX_DEPTH = 10_000

const TOKEN = /[\s,:]*("(?:[^"\\]|\\.)*"|[-+.\w]+|[[\]{}])/y

/**
 * Reads JSON. Where an object has a name twice, the second value is decoded over the first, as Go's encoding/json does with
 * a struct: an object keeps the fields that the second does not have, and so do the objects in a list.
 *
 * @throws TreeError
 */
export function parseJSON(text: string): Parsed {
  try {
    JSON.parse(text)
  } catch (err) {
    throw new TreeError(`is not JSON, though it begins with "{": ${(err as Error).message}`)
  }
  // Everything is in its right place from here on.
  const reader = new Reader(text)
  return { root: reader.value(0), problems: reader.problems }
}

class Reader {
  readonly problems: TreeProblem[] = []
  #at = 0

  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): Tree {
    const token = this.#token()
    const offset = this.#at - token.length
    if (depth > MAX_DEPTH) throw new TreeError('is nested too deeply', offset)
    if (token === '[') {
      const items: Tree[] = []
      while (!this.#ends(']')) items.push(this.value(depth + 1))
      return { kind: 'list', offset, items }
    }
    if (token === '{') return this.#object(offset, depth)
    return { kind: 'scalar', offset, source: token, value: wellFormed(JSON.parse(token)) }
  }

  #object(offset: number, depth: number): Tree {
    const fields = new Map<string, FieldTree>()
    while (!this.#ends('}')) {
      const token = this.#token()
      const field = { offset: this.#at - token.length, value: this.value(depth + 1) }
      const name = JSON.parse(token) as string
      const earlier = fields.get(name)
      if (earlier !== undefined) {
        this.problems.push(duplicate(name, field.offset))
        fields.set(name, { offset: field.offset, value: overlay(earlier.value, field.value) })
      } else fields.set(name, field)
    }
    return { kind: 'object', offset, fields }
  }

  #ends(token: string): boolean {
    const before = this.#at
    if (this.#token() === token) return true
    this.#at = before
    return false
  }

  #token(): string {
    TOKEN.lastIndex = this.#at
    const token = TOKEN.exec(this.#text)?.[1] ?? ''
    this.#at = TOKEN.lastIndex
    return token
  }
}

/** Go has no half characters. */
function wellFormed(value: unknown): string | number | boolean | null {
  return typeof value === 'string' ? Buffer.from(value).toString() : (value as number | boolean | null)
}

/** What a struct has that held the first value when the second was decoded into it. */
function overlay(first: Tree, second: Tree): Tree {
  if (second.kind === 'scalar' && second.value === null) {
    // Null empties a slice or a pointer, and leaves a string or a struct as it is.
    const kept = first.kind === 'object' || (first.kind === 'scalar' && typeof first.value === 'string')
    return kept ? first : second
  }
  if (first.kind === 'list' && second.kind === 'list' && second.items.length > 0) {
    const before = [...first.items, ...(first.spare ?? [])]
    const items = second.items.map((item, i) => {
      const earlier = before[i]
      return earlier === undefined ? item : overlay(earlier, item)
    })
    return { ...second, items, spare: before.slice(items.length) }
  }
  if (first.kind === 'object' && second.kind === 'object') {
    const fields = new Map(first.fields)
    for (const [name, field] of second.fields) {
      const earlier = fields.get(name)
      fields.set(
        name,
        earlier === undefined ? field : { ...field, value: overlay(earlier.value, field.value) },
      )
    }
    return { ...second, fields }
  }
  return second
}
