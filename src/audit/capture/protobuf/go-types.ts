import { type GoType, OTHER, SCALAR } from '../json/go-type.js'
import type { Field, Message } from './schema.js'

/** The Go type of a message's objects in JSON. */
export function goTypeOf(message: Message): GoType {
  if (message.special !== undefined) return OTHER
  const [only] = message.fields
  if (message.isList) return only === undefined ? OTHER : goTypeOfField(only)
  return {
    shape: 'struct',
    isNilable: false,
    member: (name) => {
      const field = findField(message, `${JSON.stringify(name)}:`)
      if (field !== undefined) return goTypeOfField(field)
      return name === 'kind' || name === 'apiVersion' ? SCALAR : OTHER
    },
  }
}

/** The field with the key `key` (as Field has it), also among those of messages that are shown as the outer one's. */
function findField(message: Message, key: string): Field | undefined {
  for (const field of message.fields) {
    if (field.key === key) return field
    const inner = field.key === '' && field.message !== undefined ? findField(field.message, key) : undefined
    if (inner !== undefined) return inner
  }
  return undefined
}

function goTypeOfField({ shape, type, message }: Field): GoType {
  const value = (): GoType => {
    if (message !== undefined) return goTypeOf(message)
    return type === 'bytes' ? { ...SCALAR, isNilable: true } : SCALAR
  }
  switch (shape) {
    case 'value':
      return value()
    case 'pointer':
      return { ...value(), isNilable: true }
    case 'list':
    case 'map':
      return { shape, isNilable: true, member: value }
  }
}
