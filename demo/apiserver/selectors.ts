import type { ApiObject } from './api-object.js'
import { stringField, objectField } from './json.js'
import { StatusError } from './status.js'

export type Selector = (object: ApiObject) => boolean

const LABEL_KEY = /^[A-Za-z0-9][-A-Za-z0-9_./]{0,316}$/
const LABEL_VALUE = /^[-A-Za-z0-9_.]{0,63}$/

/**
 * A label selector as in k8s.io/apimachinery/pkg/labels: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
 * @throws StatusError 400
 */
export function parseLabelSelector(text: string): Selector {
  const tests = splitOutsideParentheses(text).map(parseRequirement)
  return (object) => {
    const labels = object.metadata.labels ?? {}
    return tests.every((test) => test(labels))
  }
}

type LabelTest = (labels: Record<string, string>) => boolean

function parseRequirement(text: string): LabelTest {
  const value = (labels: Record<string, string>, key: string) =>
    Object.hasOwn(labels, key) ? labels[key] : undefined

  const set = /^(\S+) +(in|notin) *\(([^()]*)\)$/.exec(text)
  if (set !== null) {
    const key = checkKey(set[1] ?? '')
    const values = (set[3] ?? '').split(',').map((item) => checkValue(item.trim()))
    return (labels) => {
      const found = value(labels, key)
      const listed = found !== undefined && values.includes(found)
      return set[2] === 'in' ? listed : !listed
    }
  }
  const equals = text.indexOf('=')
  if (equals >= 0) {
    const negated = text[equals - 1] === '!'
    const key = checkKey(text.slice(0, negated ? equals - 1 : equals).trim())
    const wanted = checkValue(text.slice(text[equals + 1] === '=' ? equals + 2 : equals + 1).trim())
    return (labels) => (value(labels, key) === wanted) !== negated
  }
  if (text.startsWith('!')) {
    const key = checkKey(text.slice(1).trim())
    return (labels) => !Object.hasOwn(labels, key)
  }
  const key = checkKey(text)
  return (labels) => Object.hasOwn(labels, key)
}

function checkKey(key: string): string {
  if (!LABEL_KEY.test(key)) {
    throw StatusError.badRequest(`unable to parse requirement: found '${key}', expected: a label key`)
  }
  return key
}

function checkValue(value: string): string {
  if (!LABEL_VALUE.test(value)) {
    throw StatusError.badRequest(`unable to parse requirement: found '${value}', expected: a label value`)
  }
  return value
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= text.length; i++) {
    const c = text[i]
    if (c === '(') depth++
    else if (c === ')') depth--
    else if (c === undefined || (c === ',' && depth === 0)) {
      const part = text.slice(start, i).trim()
      if (part !== '') parts.push(part)
      start = i + 1
    }
  }
  return parts
}

function involved(field: string): (object: ApiObject) => string {
  return (object) => stringField(objectField(object, 'involvedObject'), field)
}

const FIELDS: Record<string, (object: ApiObject) => string> = {
  'metadata.name': (object) => object.metadata.name ?? '',
  'metadata.namespace': (object) => object.metadata.namespace ?? '',
  'status.phase': (object) => stringField(objectField(object, 'status'), 'phase'),
  // By these `kubectl describe` finds an object's events.
  'involvedObject.kind': involved('kind'),
  'involvedObject.name': involved('name'),
  'involvedObject.namespace': involved('namespace'),
  'involvedObject.uid': involved('uid'),
}

/**
 * A field selector as in k8s.io/apimachinery/pkg/fields: `metadata.name=a,metadata.namespace!=b`.
 * @throws StatusError 400
 */
export function parseFieldSelector(text: string): Selector {
  const tests = text
    .split(',')
    .filter((part) => part !== '')
    .map((part): Selector => {
      const match = /^([^=!]+)(=|==|!=)([^=!]*)$/.exec(part)
      if (match === null)
        throw StatusError.badRequest(`invalid selector: '${part}'; can't understand '${part}'`)
      const [, field = '', operator, value] = match
      const read = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined
      if (read === undefined) throw StatusError.badRequest(`field label not supported: ${field}`)
      return (object) => (read(object) === value) === (operator !== '!=')
    })
  return (object) => tests.every((test) => test(object))
}
