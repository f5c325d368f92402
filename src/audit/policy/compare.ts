import type { AuditConfig } from '../audit-config.js'
import { LEVELS, STAGES } from '../event.js'
import { PolicyEvaluator } from './evaluate.js'
import type { Policy, PolicyRule } from './policy.js'
import { samplesOf, type SampleRequest } from './samples.js'

/** How one policy differs from the one before it. Rules count from 1. */
export interface PolicyChanges {
  /** Rules of the new policy that the old one does not have. */
  readonly added: readonly number[]
  /** Rules of the old policy that the new one does not have. */
  readonly removed: readonly number[]
  /** Whether those that both have stand in another order. */
  readonly moved: boolean
  /** A request that the new policy records less of, in words; undefined where none was found. */
  readonly lowered: string | undefined
}

/** Samples of each policy that are tried at most: some milliseconds. */
const MAX_SAMPLES = 5000

/**
 * What changes when one policy takes the place of another.
 *
 * `lowered` is looked for among sample requests of all rules of both (samples.ts): what it names is recorded at a lower
 * level, or without a stage that it had. So it is never wrong, and finds a rule that is gone, a level that is lower, and a
 * None that is new. It can miss what only several rules together tell apart, such as the user of one and the resource of
 * another, requests by nobody, names of objects that no rule has, and policies with more samples than are tried. That
 * managed fields are left out is no loss that it knows of.
 */
export function comparePolicies(before: Policy, after: Policy): PolicyChanges {
  const [was, is] = [before, after].map(({ rules }) => rules.map(canonical)) as [string[], string[]]
  const added = without(is, was)
  const removed = without(was, is)
  const kept = (rules: readonly string[], gone: readonly number[]) =>
    rules.filter((_, i) => !gone.includes(i + 1))
  return {
    added,
    removed,
    moved: kept(was, removed).join('\n') !== kept(is, added).join('\n'),
    lowered: findLowered(before, after),
  }
}

function canonical(rule: PolicyRule): string {
  return JSON.stringify(rule, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

/** The numbers of those in `rules` that `others` has not as often. */
function without(rules: readonly string[], others: readonly string[]): number[] {
  const counts = new Map<string, number>()
  for (const other of others) counts.set(other, (counts.get(other) ?? 0) + 1)
  return rules.flatMap((rule, i) => {
    const left = counts.get(rule) ?? 0
    counts.set(rule, left - 1)
    return left > 0 ? [] : [i + 1]
  })
}

function findLowered(before: Policy, after: Policy): string | undefined {
  const [was, is] = [new PolicyEvaluator(before), new PolicyEvaluator(after)]
  // What there was comes first: it is what can be lost.
  for (const { rules } of [before, after]) {
    for (const sample of samples(rules)) {
      const less = lessThan(is.evaluate(sample.user, sample.info), was.evaluate(sample.user, sample.info))
      if (less !== undefined) return `${describe(sample)} has ${less}`
    }
  }
  return undefined
}

function* samples(rules: readonly PolicyRule[]): Generator<SampleRequest> {
  let left = MAX_SAMPLES
  for (const rule of rules) {
    for (const sample of samplesOf(rule)) {
      if (left-- === 0) return
      yield sample
    }
  }
}

function lessThan(is: AuditConfig, was: AuditConfig): string | undefined {
  if (was.level === 'None') return undefined
  if (LEVELS.indexOf(is.level) < LEVELS.indexOf(was.level)) return `level ${is.level}, and had ${was.level}`
  const stage = STAGES.find((stage) => is.omitStages.has(stage) && !was.omitStages.has(stage))
  return stage === undefined ? undefined : `no event at ${stage}, and had one`
}

function describe({ user, info }: SampleRequest): string {
  const { verb, apiGroup, resource, subresource, namespace, name } = info
  const who = `by user ${JSON.stringify(user.username)}, groups ${JSON.stringify(user.groups)},`
  if (!info.isResourceRequest) return `${verb} ${JSON.stringify(info.path)} ${who}`
  const what = `${resource}${apiGroup === '' ? '' : `.${apiGroup}`}${subresource === '' ? '' : `/${subresource}`}`
  const where = namespace === '' ? '' : ` in namespace ${JSON.stringify(namespace)}`
  return `${verb} ${JSON.stringify(what)}${name === '' ? '' : ` ${JSON.stringify(name)}`}${where} ${who}`
}
