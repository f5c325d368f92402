import type { UserInfo } from '../../request/user-info.js'
import type { RequestInfo } from '../../request/request-info.js'
import { PolicyEvaluator } from './evaluate.js'
import type { GroupResources, Policy, PolicyRule } from './policy.js'
import type { AuditConfig } from '../audit-config.js'
import type { Mismatch } from './rule-matcher.js'

/** What one rule says of a request. */
export interface RuleExplanation {
  /** Counts from 1. */
  readonly rule: number
  readonly matches: boolean
  /** The field that the request does not satisfy; undefined for a rule that matches. */
  readonly mismatch: Mismatch | undefined
  /** One line in plain words. */
  readonly reason: string
}

export interface Explanation {
  readonly rules: readonly RuleExplanation[]
  /** The first rule that matches, counted from 1; undefined where none does, so that the level is None. */
  readonly decidedBy: number | undefined
  readonly config: AuditConfig
}

/** Says for every rule of a policy why it matches a request or does not, and what comes of it. */
export function explain(policy: Policy, user: UserInfo | undefined, info: RequestInfo): Explanation {
  const evaluator = new PolicyEvaluator(policy)
  const mismatches = evaluator.mismatches(user, info)
  const first = mismatches.indexOf(undefined)
  return {
    rules: policy.rules.map((rule, i) => {
      const mismatch = mismatches[i]
      return {
        rule: i + 1,
        matches: mismatch === undefined,
        mismatch,
        reason: mismatch === undefined ? whatMatches(rule, i > first) : why(mismatch, rule, user, info),
      }
    }),
    decidedBy: first < 0 ? undefined : first + 1,
    config: evaluator.evaluate(user, info),
  }
}

const SELECTORS = ['users', 'userGroups', 'verbs', 'namespaces', 'resources', 'nonResourceURLs'] as const

function whatMatches(rule: PolicyRule, isLate: boolean): string {
  const fields = SELECTORS.filter((field) => rule[field].length > 0)
  const what = fields.length === 0 ? 'every request matches' : `${fields.join(', ')} match`
  return isLate ? `${what}, but an earlier rule decides` : what
}

function why(mismatch: Mismatch, rule: PolicyRule, user: UserInfo | undefined, info: RequestInfo): string {
  switch (mismatch) {
    case 'users':
      if (user === undefined) return 'the rule is for users, and nobody is authenticated'
      return `user ${quote(user.username)} is not one of ${list(rule.users)}`
    case 'userGroups':
      if (user === undefined) return 'the rule is for userGroups, and nobody is authenticated'
      return `none of the groups ${list(user.groups ?? [])} is one of ${list(rule.userGroups)}`
    case 'verbs':
      return `verb ${quote(info.verb)} is not one of ${list(rule.verbs)}`
    case 'namespaces':
      if (!info.isResourceRequest) return 'the rule is for namespaces, and the request is not for a resource'
      return `namespace ${quote(info.namespace)} is not one of ${list(rule.namespaces)}`
    case 'resources':
      if (!info.isResourceRequest) return 'the rule is for resources, and the request is not for one'
      return whyResource(rule.resources, info)
    case 'nonResourceURLs':
      if (info.isResourceRequest) return 'the rule is for nonResourceURLs, and the request is for a resource'
      return `path ${quote(info.path)} is not one of ${list(rule.nonResourceURLs)}`
  }
}

function whyResource(resources: readonly GroupResources[], info: RequestInfo): string {
  const entries = resources.filter(({ group }) => group === info.apiGroup || group === '*')
  if (entries.length === 0) {
    return `API group ${quote(info.apiGroup)} is not one of ${list(resources.map(({ group }) => group))}`
  }
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`
  const reason = `resource ${quote(resource)} is not one of ${list(entries.flatMap((entry) => entry.resources))}`
  const names = entries.flatMap(({ resourceNames }) => resourceNames)
  return names.length === 0
    ? reason
    : `${reason}, or its name ${quote(info.name)} is not one of ${list(names)}`
}

/** At most so many values are listed in a reason. */
const MAX_LISTED = 10

function list(values: readonly string[]): string {
  const shown = values.slice(0, MAX_LISTED).map(quote)
  if (values.length > MAX_LISTED) shown.push(`and ${values.length - MAX_LISTED} more`)
  return `[${shown.join(', ')}]`
}

function quote(value: string): string {
  return JSON.stringify(value)
}
