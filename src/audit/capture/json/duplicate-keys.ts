import { type GoType, OTHER } from './go-type.js'
import { decodeString, endOfString, endOfValue, isArray, isObject, isString } from './json-cursor.js'

/** A value: its text, or a container whose members are still to be compared. */
type Value = string | ObjectValue | ArrayValue

interface Member {
  /** As it was spelt first. */
  readonly key: string
  /** Undefined until it has been read. */
  value: Value | undefined
}

class ObjectValue {
  /** By decoded key, so that "a" and "\u0061" are the same. */
  readonly members = new Map<string, Member>()
}

class ArrayValue {
  /** What lies behind `size` is there still, for a longer array to be decoded into. */
  items: Value[] = []
  size = 0
}

/** Where the next value goes. */
interface Frame {
  readonly into: ObjectValue | ArrayValue
  readonly type: GoType
  member: Member | undefined
  memberType: GoType
}

/**
 * `text` (from compactJSON) without duplicate keys: what kube-apiserver's decoder makes of them where the document's type is
 * `type`. A later value wins over an earlier one, but a struct, map or list is decoded into what is there already:
 * {"spec":{"a":1},"spec":{"b":2}} is {"spec":{"a":1,"b":2}} of a type with these fields, and {"spec":{"b":2}} of a custom
 * resource. null empties a pointer, map or list and leaves anything else as it was. (sigs.k8s.io/json
 * internal/golang/encoding/json/decode.go object, array, literalStore: as encoding/json.) An audit log that showed less
 * would hide what was created, and one that showed more what was not.
 *
 * The depth of the text is no concern of the stack.
 */
export function resolveDuplicateKeys(text: string, type: GoType): string {
  const root: Frame = { into: new ArrayValue(), type: OTHER, member: undefined, memberType: type }
  const open: Frame[] = []
  let frame = root
  for (let i = 0; i < text.length;) {
    const c = text[i]
    if (c === ',') {
      i++
    } else if (c === '}' || c === ']') {
      if (frame.into instanceof ArrayValue && frame.into.size === 0) frame.into.items = []
      frame = open.pop() as Frame
      i++
    } else if (frame.into instanceof ObjectValue && frame.member === undefined) {
      const end = endOfString(text, i)
      const name = decodeString(text, i, end)
      frame.member = frame.into.members.get(name)
      if (frame.member === undefined) {
        frame.member = { key: text.slice(i, end), value: undefined }
        frame.into.members.set(name, frame.member)
      }
      frame.memberType = frame.type.member(name)
      i = end + 1
    } else {
      const { memberType } = frame
      const before = present(frame)
      if (isObject(text, i)) {
        const kept = memberType.shape === 'struct' || memberType.shape === 'map'
        const into = kept && before instanceof ObjectValue ? before : new ObjectValue()
        open.push(store(frame, into))
        frame = { into, type: memberType, member: undefined, memberType: OTHER }
        i++
      } else if (isArray(text, i)) {
        const into = memberType.shape === 'list' && before instanceof ArrayValue ? before : new ArrayValue()
        into.size = 0
        open.push(store(frame, into))
        frame = { into, type: memberType, member: undefined, memberType: memberType.member('') }
        i++
      } else {
        const end = isString(text, i) ? endOfString(text, i) : endOfValue(text, i)
        const value = text.slice(i, end)
        store(frame, value === 'null' && !memberType.isNilable ? (before ?? value) : value)
        i = end
      }
    }
  }
  return print((root.into as ArrayValue).items[0] as Value)
}

/** What is already there, where the next value goes. The values of a map begin anew. */
function present({ into, type, member }: Frame): Value | undefined {
  if (into instanceof ArrayValue) return into.items[into.size]
  return type.shape === 'map' ? undefined : member?.value
}

function store(frame: Frame, value: Value): Frame {
  const { into, member } = frame
  if (into instanceof ArrayValue) into.items[into.size++] = value
  else if (member !== undefined) member.value = value
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
        parts.push(parts.length === 1 ? `${member.key}:` : `,${member.key}:`, member.value as Value)
      }
      parts.push('}')
      pushReversed(rest, parts)
    } else {
      const parts: Value[] = ['[']
      for (const item of value.items.slice(0, value.size)) {
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
