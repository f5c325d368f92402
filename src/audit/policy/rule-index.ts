import type { UserInfo } from '../../request/user-info.js'
import type { RequestInfo } from '../../request/request-info.js'
import type { GroupResources, PolicyRule } from './policy.js'
import type { RuleMatcher } from './rule-matcher.js'

/** A bit for each rule, 32 in a word. */
type Rules = Uint32Array

/** How many rules one index is for: each value that they name costs a bit for each of them. */
export const MAX_INDEXED = 1024

/** A rule, and what says whether it matches. */
export interface IndexedRule {
  readonly rule: PolicyRule
  readonly matcher: Pick<RuleMatcher, 'mismatch'>
}

/**
 * Finds the first of at most MAX_INDEXED rules that matches a request. For each value that rules name it knows the rules
 * that a request with that value may match. Those that all values of the request leave are asked, in their order, so that a
 * request costs nearly the same however many rules there are.
 */
export class RuleIndex {
  readonly #rules: readonly IndexedRule[]
  readonly #words: number
  readonly #users: Dimension
  readonly #userGroups: Dimension
  readonly #verbs: Dimension
  readonly #namespaces: Dimension
  readonly #apiGroups: Dimension
  readonly #resources: Dimension
  readonly #names: Dimension
  readonly #paths: Dimension
  /** By the prefixes in nonResourceURLs. */
  readonly #prefixes: Dimension
  /** Of the prefixes, each once, in UTF-16 units. */
  readonly #prefixLengths: readonly number[]
  readonly #forResources: Rules
  readonly #forPaths: Rules
  // What first() works with; kept, so that a request allocates nothing.
  readonly #all: Rules[] = []
  readonly #groups: Rules[] = []
  readonly #urls: Rules[] = []

  constructor(indexed: readonly IndexedRule[]) {
    const rules = indexed.map(({ rule }) => rule)
    const by = (valuesOf: (rule: PolicyRule) => readonly string[] | undefined) =>
      new Dimension(rules, valuesOf)
    this.#rules = indexed
    this.#words = Math.ceil(rules.length / 32)
    this.#users = by((rule) => given(rule.users))
    this.#userGroups = by((rule) => given(rule.userGroups))
    this.#verbs = by((rule) => given(rule.verbs))
    this.#namespaces = by((rule) => given(rule.namespaces))
    this.#apiGroups = by((rule) => ofEach(rule, ({ group }) => (group === '*' ? undefined : [group])))
    this.#resources = by((rule) => ofEach(rule, resourceNames))
    this.#names = by((rule) => ofEach(rule, ({ resourceNames }) => given(resourceNames)))
    this.#paths = by((rule) => given(rule.nonResourceURLs))
    this.#prefixes = by(prefixes)
    this.#prefixLengths = [...new Set(rules.flatMap(prefixes).map(({ length }) => length))]
    this.#forResources = bits(rules, (rule) => rule.nonResourceURLs.length === 0)
    this.#forPaths = bits(rules, (rule) => rule.resources.length === 0 && rule.namespaces.length === 0)
  }

  /**
   * The first rule that matches, counted from 0; -1 where none does.
   *
   * @param user undefined where nobody could be authenticated
   */
  first(user: UserInfo | undefined, info: RequestInfo): number {
    const all = this.#all
    const groups = this.#groups
    const urls = this.#urls
    all.length = groups.length = urls.length = 0
    this.#users.narrow(all, user?.username)
    this.#verbs.narrow(all, info.verb)
    if (!this.#userGroups.isIdle) {
      groups.push(this.#userGroups.any)
      if (user?.groups !== undefined) for (const group of user.groups) this.#userGroups.widen(groups, group)
    }
    if (info.isResourceRequest) {
      if (!this.#paths.isIdle) all.push(this.#forResources)
      this.#namespaces.narrow(all, info.namespace)
      this.#apiGroups.narrow(all, info.apiGroup)
      this.#resources.narrow(all, info.resource)
      this.#names.narrow(all, info.name)
    } else {
      all.push(this.#forPaths)
      if (!this.#paths.isIdle) this.#addURLs(urls, info.path)
    }
    for (let word = 0; word < this.#words; word++) {
      let left = everyOf(all, word)
      if (left !== 0 && groups.length > 0) left &= someOf(groups, word)
      if (left !== 0 && urls.length > 0) left &= someOf(urls, word)
      for (; left !== 0; left &= left - 1) {
        // The lowest bit that is left.
        const rule = word * 32 + 31 - Math.clz32(left & -left)
        const matcher = this.#rules[rule]?.matcher
        if (matcher !== undefined && matcher.mismatch(user, info) === undefined) return rule
      }
    }
    return -1
  }

  #addURLs(urls: Rules[], path: string): void {
    urls.push(this.#paths.any)
    this.#paths.widen(urls, path)
    for (const length of this.#prefixLengths) {
      if (length <= path.length) this.#prefixes.widen(urls, path.slice(0, length))
    }
  }
}

/** The rules by what one field of them names. */
class Dimension {
  /** The rules that any value may match. */
  readonly any: Rules
  readonly #byValue = new Map<string, Rules>()

  /** @param valuesOf undefined where the rule does not care */
  constructor(rules: readonly PolicyRule[], valuesOf: (rule: PolicyRule) => readonly string[] | undefined) {
    const values = rules.map(valuesOf)
    this.any = bits(values, (named) => named === undefined)
    values.forEach((named, rule) => {
      for (const value of named ?? []) {
        const found = this.#byValue.get(value) ?? this.any.slice()
        setBit(found, rule)
        this.#byValue.set(value, found)
      }
    })
  }

  /** No rule cares. */
  get isIdle(): boolean {
    return this.#byValue.size === 0
  }

  /** Adds the rules that the value may match to what a rule must be in. */
  narrow(all: Rules[], value: string | undefined): void {
    if (this.isIdle) return
    all.push((value === undefined ? undefined : this.#byValue.get(value)) ?? this.any)
  }

  /** Adds the rules that the value may match to those of which a rule must be in one; `any` is there already. */
  widen(some: Rules[], value: string): void {
    const found = this.#byValue.get(value)
    if (found !== undefined) some.push(found)
  }
}

function given(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : values
}

/** What the entries of a rule's resources name; undefined where one of them does not care. */
function ofEach(
  { resources }: PolicyRule,
  valuesOf: (entry: GroupResources) => readonly string[] | undefined,
): readonly string[] | undefined {
  if (resources.length === 0) return undefined
  const values = resources.map(valuesOf)
  return values.includes(undefined) ? undefined : values.flatMap((named) => named ?? [])
}

/** `pods` for `pods`, `pods/log` and `pods/*`; undefined where a pattern is for any resource. */
function resourceNames({ resources }: GroupResources): readonly string[] | undefined {
  if (resources.length === 0) return undefined
  const names = resources.flatMap((pattern) => [pattern, pattern.slice(0, Math.max(0, pattern.indexOf('/')))])
  return resources.some((pattern) => pattern.startsWith('*')) ? undefined : names
}

function prefixes({ nonResourceURLs }: PolicyRule): string[] {
  return nonResourceURLs.filter((url) => url.endsWith('*')).map((url) => url.slice(0, -1))
}

function bits<T>(values: readonly T[], isSet: (value: T) => boolean): Rules {
  const rules = new Uint32Array(Math.ceil(values.length / 32))
  values.forEach((value, i) => {
    if (isSet(value)) setBit(rules, i)
  })
  return rules
}

function setBit(rules: Rules, i: number): void {
  rules[i >> 5] = (rules[i >> 5] ?? 0) | (1 << (i & 31))
}

function everyOf(all: readonly Rules[], word: number): number {
  let left = -1
  for (let i = 0; i < all.length; i++) left &= (all[i] as Rules)[word] as number
  return left
}

function someOf(some: readonly Rules[], word: number): number {
  let found = 0
  for (let i = 0; i < some.length; i++) found |= (some[i] as Rules)[word] as number
  return found
}
