import { decodeString, endOfString, endOfValue, isArray, isObject, isString } from './json-cursor.js'

/**
 * Which of kube-apiserver's decoders reads the document. `merge` decodes into Go types, `last` into maps, as every
 * patch is.
 */
export type Duplicates = 'merge' | 'last'

/** A value: its text, or a container whose members are still to be compared. */
type Value = string | ObjectValue | ArrayValue

class ObjectValue {
  /** By decoded key, so that "a" and "\u0061" are the same. */
  readonly members = new Map<string, { readonly key: string; value: Value }>()
}

class ArrayValue {
  readonly items: Value[] = []
  size = 0
}

/** Where the next value goes. */
interface Frame {
  readonly into: ObjectValue | ArrayValue
  member: { readonly key: string; value: Value } | undefined
}

/**
 * `text` (from compactJSON) without duplicate keys: what kube-apiserver's decoder makes of them. A later scalar wins over
 * an earlier one. Decoding into maps, a later object or array does too. Decoding into Go types it does not: it is decoded
 * into the object that is there already, so that {"spec":{"a":1},"spec":{"b":2}} is {"spec":{"a":1,"b":2}}; likewise the
 * items of an array, as far as the later array is long; and null leaves an object as it was (json-iterator's
 * reflect_struct_decoder.go, reflect_map.go and reflect_slice.go, as encoding/json). An audit log that showed only the
 * later one would hide what was created.
 *
 * The depth of the text is no concern of the stack.
 */
export function resolveDuplicateKeys(text: string, duplicates: Duplicates): string {
  const merge = duplicates === 'merge'
  const root: Frame = { into: new ArrayValue(), member: undefined }
  const open: Frame[] = []
  let frame = root
  for (let i = 0; i < text.length;) {
    const c = text[i]
    if (c === ',') {
      i++
    } else if (c === '}' || c === ']') {
      if (frame.into instanceof ArrayValue) frame.into.items.length = frame.into.size
      frame = open.pop() as Frame
      i++
    } else if (frame.into instanceof ObjectValue && frame.member === undefined) {
      const end = endOfString(text, i)
      const name = decodeString(text, i, end)
      frame.member = frame.into.members.get(name)
      if (frame.member === undefined) {
        frame.member = { key: text.slice(i, end), value: '' }
        frame.into.members.set(name, frame.member)
      }
      i = end + 1
    } else {
      const before = present(frame)
      if (isObject(text, i)) {
        const into = merge && before instanceof ObjectValue ? before : new ObjectValue()
        open.push(store(frame, into))
        frame = { into, member: undefined }
        i++
      } else if (isArray(text, i)) {
        const into = merge && before instanceof ArrayValue ? before : new ArrayValue()
        into.size = 0
        open.push(store(frame, into))
        frame = { into, member: undefined }
        i++
      } else {
        const end = isString(text, i) ? endOfString(text, i) : endOfValue(text, i)
        const value = text.slice(i, end)
        store(frame, merge && value === 'null' && before instanceof ObjectValue ? before : value)
        i = end
      }
    }
  }
  return print((root.into as ArrayValue).items[0] as Value)
}

/** What is already there, where the next value goes. */
function present(frame: Frame): Value | undefined {
  return frame.into instanceof ArrayValue ? frame.into.items[frame.into.size] : frame.member?.value
}

function store(frame: Frame, value: Value): Frame {
  if (frame.into instanceof ArrayValue) frame.into.items[frame.into.size++] = value
  else if (frame.member !== undefined) frame.member.value = value
  frame.member = undefined
  return frame
}

function print(root: Value): string {
  const out: string[] = []
  /** What is still to be printed, the next one last. */
  const rest: Value[] = [root]
  for (let value = rest.pop(); value !== undefined; value = rest.pop()) {
    if (typeof value === 'string') {
      out.push(value)
    } else if (value instanceof ObjectValue) {
      const parts: Value[] = ['{']
      for (const member of value.members.values()) {
        parts.push(parts.length === 1 ? `${member.key}:` : `,${member.key}:`, member.value)
      }
      parts.push('}')
      pushReversed(rest, parts)
    } else {
      const parts: Value[] = ['[']
      for (const item of value.items) {
        if (parts.length > 1) parts.push(',')
        parts.push(item)
      }
      parts.push(']')
      pushReversed(rest, parts)
    }
  }
  return out.join('')
}

function pushReversed(rest: Value[], parts: readonly Value[]): void {
  for (let i = parts.length - 1; i >= 0; i--) rest.push(parts[i] as Value)
}
