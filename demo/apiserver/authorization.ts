import type { UserInfo } from '../../src/request/user-info.js'
import { StatusError } from './status.js'

/** What is to be allowed: an access to a resource, or to a path that is none. */
export type Attributes = ResourceAttributes | PathAttributes

export interface ResourceAttributes {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
}

export interface PathAttributes {
  readonly verb: string
  readonly path: string
}

/** A grant, in the words of RBAC. `*` is anything; a path may end in it. Absent namespaces are all of them. */
export interface Rule {
  readonly groups?: readonly string[]
  readonly users?: readonly string[]
  readonly verbs: readonly string[]
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly namespaces?: readonly string[]
  readonly paths?: readonly string[]
}

/** Allows what one of its rules allows, and nothing else. */
export class Authorizer {
  constructor(readonly rules: readonly Rule[]) {}

  allowed(user: UserInfo, attributes: Attributes): boolean {
    return this.rules.some((rule) => appliesTo(rule, user) && covers(rule, attributes))
  }

  /** @throws StatusError 403, in kube-apiserver's words */
  check(user: UserInfo, attributes: Attributes): void {
    if (this.allowed(user, attributes)) return
    const who = `User ${JSON.stringify(user.username)} cannot ${attributes.verb}`
    if ('path' in attributes)
      throw StatusError.forbiddenPath(`${who} path ${JSON.stringify(attributes.path)}`)
    const { group, resource, namespace, name } = attributes
    const scope = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
    const why = `${who} resource ${JSON.stringify(fullResource(attributes))} in API group "${group}" ${scope}`
    throw StatusError.forbidden({ group, resource }, name, why)
  }
}

export function appliesTo(rule: Rule, user: UserInfo): boolean {
  if (rule.users?.includes(user.username) === true) return true
  return rule.groups?.some((group) => user.groups?.includes(group)) === true
}

function covers(rule: Rule, attributes: Attributes): boolean {
  if (!includes(rule.verbs, attributes.verb)) return false
  if ('path' in attributes) return rule.paths?.some((path) => pathMatches(path, attributes.path)) === true
  return (
    includes(rule.apiGroups, attributes.group) &&
    includes(rule.resources, fullResource(attributes)) &&
    (rule.namespaces === undefined || rule.namespaces.includes(attributes.namespace))
  )
}

function fullResource({ resource, subresource }: ResourceAttributes): string {
  return subresource === '' ? resource : `${resource}/${subresource}`
}

function includes(list: readonly string[] | undefined, value: string): boolean {
  return list !== undefined && (list.includes('*') || list.includes(value))
}

function pathMatches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}
