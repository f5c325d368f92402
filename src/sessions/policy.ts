import { parseGroupResources, readText } from '../audit/policy/load.js'
import type { PolicyRule } from '../audit/policy/policy.js'
import { RuleMatcher } from '../audit/policy/rule-matcher.js'
import type { Reloadable } from '../live/reloadable.js'
import type { RequestInfo } from '../request/request-info.js'
import type { UserInfo } from '../request/user-info.js'
import { parseDocument, type Field } from '../yaml-document.js'

export const API_VERSION = 'kube-audit-proxy.io/v1alpha1'
export const KIND = 'SessionRecordingPolicy'

const RECORDS = ['Output', 'InputAndOutput', 'None'] as const
/** What of a session is recorded. */
export type Record = (typeof RECORDS)[number]

export interface SessionRule {
  readonly record: Record
  /** Which sessions it is about, as a rule of the audit policy says which requests. */
  readonly matcher: RuleMatcher
}

export interface SessionDecision {
  readonly record: Record
  /** Counts from 1; undefined where no rule matches, and nothing is recorded. */
  readonly rule: number | undefined
}

/** Which sessions are recorded: rules in the audit policy's own shape, of which the first that matches decides. */
export class SessionPolicy {
  readonly #rules: readonly SessionRule[]

  constructor(rules: readonly SessionRule[]) {
    this.#rules = rules
  }

  decide(user: UserInfo | undefined, info: RequestInfo): SessionDecision {
    const at = this.#rules.findIndex(({ matcher }) => matcher.mismatch(user, info) === undefined)
    return { record: this.#rules[at]?.record ?? 'None', rule: at < 0 ? undefined : at + 1 }
  }
}

/**
 * Whether a request is for a session: an exec or an attach. kubectl run, debug and cp are such requests.
 */
export function isSession({ isResourceRequest, apiGroup, resource, subresource }: RequestInfo): boolean {
  return (
    isResourceRequest &&
    apiGroup === '' &&
    resource === 'pods' &&
    (subresource === 'exec' || subresource === 'attach')
  )
}

/**
 * Reads a session policy. Unlike the audit policy it has no history to be lenient for: what is not known is refused.
 * @throws ConfigError
 */
export function loadSessionPolicy(file: string): SessionPolicy {
  const root = parseDocument(readText(file), file)
  const fields = root.object(['apiVersion', 'kind', 'metadata', 'rules'])
  if (fields.apiVersion.string() !== API_VERSION) fields.apiVersion.expected(API_VERSION)
  if (fields.kind.string() !== KIND) fields.kind.expected(KIND)
  fields.metadata.anyObject()
  const rules = fields.rules.list().map(parseRule)
  if (rules.length === 0) fields.rules.fail('found no rules, expected at least one')
  return new SessionPolicy(rules)
}

function parseRule(field: Field): SessionRule {
  const fields = field.object(['record', 'users', 'userGroups', 'namespaces', 'resources'])
  const found = fields.record.string()
  const record =
    RECORDS.find((one) => one === found) ?? fields.record.expected(`one of ${RECORDS.join(', ')}`)
  const rule: PolicyRule = {
    level: 'Metadata',
    users: fields.users.strings(),
    userGroups: fields.userGroups.strings(),
    verbs: [],
    resources: fields.resources.list().map(parseGroupResources),
    namespaces: fields.namespaces.strings(),
    nonResourceURLs: [],
    omitStages: [],
  }
  return { record, matcher: new RuleMatcher(rule) }
}

/** The policy of a file, replaced as a whole: a session is recorded to its end as it was begun. */
export class LiveSessionPolicy implements Reloadable {
  readonly name = 'session-recording-policy-file'
  readonly #file: string
  #current: SessionPolicy

  /** @throws ConfigError */
  constructor(file: string) {
    this.#file = file
    this.#current = loadSessionPolicy(file)
  }

  decide(user: UserInfo | undefined, info: RequestInfo): SessionDecision {
    return this.#current.decide(user, info)
  }

  files(): string[] {
    return [this.#file]
  }

  reload(): void {
    this.#current = loadSessionPolicy(this.#file)
  }
}
