import { STAGES } from '../event.js'
import { identities } from './lint-identities.js'
import { coveredBy, coverPieces, narrow, piecesOf } from './coverage.js'
import type { Policy, PolicyRule } from './policy.js'

/** Something that a valid policy probably does not mean. */
export interface PolicyWarning {
  /** Counts from 1. */
  readonly rule: number
  /** One line. */
  readonly message: string
}

/** What has credentials in its body. `request` and `response` say in which. */
const CREDENTIALS = [
  { group: '', resource: 'secrets', request: true },
  { group: '', resource: 'serviceaccounts/token', request: false },
  { group: 'authentication.k8s.io', resource: 'tokenreviews', request: true },
] as const

const VERBS_WITHOUT_BODY = ['get', 'list', 'watch', 'delete', 'deletecollection']
const RESOURCE_VERBS = ['list', 'watch', 'create', 'update', 'deletecollection', 'proxy']
const METHODS = ['post', 'put', 'head', 'options', 'trace', 'connect']

/** What a valid policy probably does not mean: rules that never match, and credentials that are recorded. */
export function lintPolicy(policy: Policy): PolicyWarning[] {
  return policy.rules.flatMap((rule, index) => {
    const messages = [
      ...wildcards(rule),
      ...names(rule),
      ...identities(rule),
      ...verbs(rule),
      ...upgrades(policy, rule),
      ...shadowed(policy, index),
      ...stages(policy, rule),
      ...credentials(policy, index),
    ]
    return messages.map((message) => ({ rule: index + 1, message }))
  })
}

function shadowed(policy: Policy, index: number): string[] {
  const by = coveredBy(policy, index)
  if (by === undefined) return []
  return [
    by.length === 1
      ? `can never match: rule ${by[0]} covers it`
      : `can never match: rules ${by.slice(0, -1).join(', ')} and ${by.at(-1)} together cover it`,
  ]
}

function wildcards(rule: PolicyRule): string[] {
  return (['users', 'userGroups', 'verbs', 'namespaces'] as const)
    .filter((field) => rule[field].some((value) => value.includes('*')))
    .map((field) => {
      const found = rule[field].find((value) => value.includes('*'))
      return `${field} has ${JSON.stringify(found)}, which matches nothing else: there are no wildcards in ${field} (an empty list matches all)`
    })
}

function names(rule: PolicyRule): string[] {
  const messages: string[] = []
  for (const { group, resources } of rule.resources) {
    if (group === 'core') messages.push('the API group "core" does not exist: the core group is ""')
    const odd = resources.find((resource) => /[A-Z]/.test(resource))
    if (odd !== undefined) {
      messages.push(
        `resources has ${JSON.stringify(odd)}, which never matches: resources are plural and in lower case`,
      )
    }
  }
  return messages
}

/** A verb of resources for paths, or the other way round. */
function verbs({ verbs, nonResourceURLs, resources, namespaces }: PolicyRule): string[] {
  const never = (wrong: readonly string[], what: string, expected: string): string[] => {
    const found = verbs.filter((verb) => wrong.includes(verb))
    return found.length === 0 ? [] : [`requests for ${what} have no verb ${found.join(', ')}: ${expected}`]
  }
  if (nonResourceURLs.length > 0) {
    return never(RESOURCE_VERBS, 'nonResourceURLs', 'theirs is the HTTP method in lower case')
  }
  if (resources.length > 0 || namespaces.length > 0) {
    return never(METHODS, 'resources', 'theirs are get, list, watch, create, update, patch, delete and so on')
  }
  return []
}

const UPGRADES = ['pods/exec', 'pods/attach', 'pods/portforward']

/** kubectl 1.30 and newer opens WebSockets, and those are GET requests: their verb is get, and was create with SPDY. */
function upgrades(policy: Policy, rule: PolicyRule): string[] {
  const { level, verbs } = rule
  if (verbs.includes('create') === verbs.includes('get')) return []
  const [has, lacks, clients] = verbs.includes('create')
    ? ['create', 'get', 'kubectl 1.30 and newer uses get']
    : ['get', 'create', 'kubectl before 1.30 uses create']
  const named = UPGRADES.filter(
    (resource) =>
      hasResource(rule, resource) &&
      !policy.rules.some(
        (other) => hasResource(other, resource) && (other.verbs.length === 0 || other.verbs.includes(lacks)),
      ),
  )
  if (named.length === 0) return []
  const what = level === 'None' ? 'leaves out' : 'records'
  return [
    `${what} ${named.join(', ')} with verb ${has} and not with ${lacks}, and ${clients} for them: name both`,
  ]
}

function hasResource({ resources }: PolicyRule, resource: string): boolean {
  return resources.some(
    ({ group, resources }) => (group === '' || group === '*') && resources.includes(resource),
  )
}

function stages({ omitStages }: Policy, rule: PolicyRule): string[] {
  if (rule.level === 'None') return []
  const omitted = new Set([...omitStages, ...rule.omitStages])
  return STAGES.every((stage) => omitted.has(stage))
    ? [`has level ${rule.level} but omits all stages, so it records nothing`]
    : []
}

function credentials(policy: Policy, index: number): string[] {
  const rule = policy.rules[index] as PolicyRule
  if (rule.level !== 'Request' && rule.level !== 'RequestResponse') return []
  const pieces = piecesOf(rule)
  if (pieces === undefined) return []
  const recorded = CREDENTIALS.filter(({ group, resource, request }) => {
    if (rule.level === 'Request' && !request) return false
    const about = pieces.flatMap((piece) => {
      const bodiless =
        rule.level === 'Request' && piece.verb !== undefined && VERBS_WITHOUT_BODY.includes(piece.verb)
      return bodiless ? [] : (narrow(piece, group, resource) ?? [])
    })
    return about.length > 0 && about.some((piece) => coverPieces(policy, index, [piece]) === undefined)
  }).map(({ resource }) => resource)
  if (recorded.length === 0) return []
  return [
    `records bodies of ${recorded.join(', ')} at level ${rule.level}; only --audit-redact keeps the credentials out. Put a rule with level Metadata for them before it`,
  ]
}
