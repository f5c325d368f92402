import type { UserInfo } from '../../request/user-info.js'
import type { RequestInfo } from '../../request/request-info.js'
import type { GroupResources, PolicyRule } from './policy.js'

/** The field of a rule that a request does not satisfy. */
export type Mismatch = 'users' | 'userGroups' | 'verbs' | 'namespaces' | 'resources' | 'nonResourceURLs'

/**
 * A rule, made ready to be held against every request: k8s.io/apiserver/pkg/audit/policy/checker.go ruleMatches. Holding
 * it allocates nothing, except for the name of a subresource.
 */
export class RuleMatcher {
  readonly #users: ReadonlySet<string> | undefined
  readonly #userGroups: ReadonlySet<string> | undefined
  readonly #verbs: ReadonlySet<string> | undefined
  readonly #namespaces: ReadonlySet<string> | undefined
  readonly #resources: ReadonlyMap<string, GroupMatcher[]> | undefined
  readonly #nonResourceURLs: PathMatcher | undefined

  constructor(rule: PolicyRule) {
    this.#users = setOf(rule.users)
    this.#userGroups = setOf(rule.userGroups)
    this.#verbs = setOf(rule.verbs)
    this.#namespaces = setOf(rule.namespaces)
    this.#resources = rule.resources.length === 0 ? undefined : matchersByGroup(rule.resources)
    this.#nonResourceURLs =
      rule.nonResourceURLs.length === 0 ? undefined : new PathMatcher(rule.nonResourceURLs)
  }

  /** The first field of the rule that the request does not satisfy, undefined where it satisfies all. */
  mismatch(user: UserInfo | undefined, info: RequestInfo): Mismatch | undefined {
    if (this.#users && !(user && this.#users.has(user.username))) return 'users'
    if (this.#userGroups && !hasAny(this.#userGroups, user?.groups)) return 'userGroups'
    if (this.#verbs && !this.#verbs.has(info.verb)) return 'verbs'
    if (this.#namespaces && !(info.isResourceRequest && this.#namespaces.has(info.namespace)))
      return 'namespaces'
    if (this.#resources && !matchesResource(this.#resources, info)) return 'resources'
    if (this.#nonResourceURLs && (info.isResourceRequest || !this.#nonResourceURLs.matches(info.path))) {
      return 'nonResourceURLs'
    }
    return undefined
  }
}

function setOf(values: readonly string[]): ReadonlySet<string> | undefined {
  return values.length === 0 ? undefined : new Set(values)
}

function hasAny(set: ReadonlySet<string>, values: readonly string[] | undefined): boolean {
  if (values === undefined) return false
  for (const value of values) {
    if (set.has(value)) return true
  }
  return false
}

function matchersByGroup(resources: readonly GroupResources[]): Map<string, GroupMatcher[]> {
  const matchers = new Map<string, GroupMatcher[]>()
  for (const entry of resources) {
    const matcher = new GroupMatcher(entry)
    const others = matchers.get(entry.group)
    if (others === undefined) matchers.set(entry.group, [matcher])
    else others.push(matcher)
  }
  return matchers
}

function matchesResource(resources: ReadonlyMap<string, GroupMatcher[]>, info: RequestInfo): boolean {
  if (!info.isResourceRequest) return false
  return anyMatches(resources.get(info.apiGroup), info) || anyMatches(resources.get('*'), info)
}

function anyMatches(matchers: readonly GroupMatcher[] | undefined, info: RequestInfo): boolean {
  if (matchers === undefined) return false
  for (const matcher of matchers) {
    if (matcher.matches(info)) return true
  }
  return false
}

/** One entry of a rule's resources, for requests to its group: checker.go ruleMatchesResource. */
class GroupMatcher {
  readonly #any: boolean
  readonly #resourceNames: ReadonlySet<string> | undefined
  // "pods" and "pods/log" as they are, the "pods" of "pods/*", and the "scale" of "*/scale".
  readonly #exact: ReadonlySet<string>
  readonly #withSubresources: ReadonlySet<string>
  readonly #subresources: ReadonlySet<string>

  constructor({ resources, resourceNames }: GroupResources) {
    this.#any = resources.length === 0 || resources.includes('*')
    this.#resourceNames = setOf(resourceNames)
    this.#exact = new Set(resources)
    this.#withSubresources = new Set(resources.filter((r) => r.endsWith('/*')).map((r) => r.slice(0, -2)))
    this.#subresources = new Set(resources.filter((r) => r.startsWith('*/')).map((r) => r.slice(2)))
  }

  matches({ resource, subresource, name }: RequestInfo): boolean {
    if (this.#resourceNames && !this.#resourceNames.has(name)) return false
    if (this.#any || this.#withSubresources.has(resource)) return true
    if (subresource === '') return this.#exact.has(resource)
    return this.#subresources.has(subresource) || this.#exact.has(`${resource}/${subresource}`)
  }
}

/** Paths, and prefixes of paths that end in `*`: checker.go pathMatches. */
class PathMatcher {
  readonly #exact: ReadonlySet<string>
  readonly #prefixes: readonly string[]

  constructor(specs: readonly string[]) {
    this.#exact = new Set(specs)
    this.#prefixes = specs.filter((spec) => spec.endsWith('*')).map((spec) => spec.slice(0, -1))
  }

  matches(path: string): boolean {
    if (this.#exact.has(path)) return true
    for (const prefix of this.#prefixes) {
      if (path.startsWith(prefix)) return true
    }
    return false
  }
}
