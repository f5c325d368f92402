import type { GroupResources, Policy, PolicyRule } from './policy.js'

/**
 * A set of requests that differ in nothing that a policy can name: one piece of a rule. Undefined stands for anything.
 */
export interface Piece {
  readonly user: string | undefined
  readonly group: string | undefined
  readonly verb: string | undefined
  readonly namespace: string | undefined
  readonly resource: ResourcePiece | undefined
  readonly path: string | undefined
}

/** One pattern of one entry of `resources`, with one name. */
export interface ResourcePiece {
  readonly group: string
  /** As in GroupResources; `*` is all of the group. */
  readonly pattern: string
  readonly name: string | undefined
}

/** A rule with more pieces than that is not taken apart: nobody waits for a check. */
const MAX_PIECES = 20_000

/**
 * The rules before rule number `index` (from 0) that together leave it nothing to match, numbered from 1 and as few as
 * the order of the rules finds; undefined where something is left, or where that cannot be known.
 */
export function coveredBy(policy: Policy, index: number): number[] | undefined {
  const rule = policy.rules[index] as PolicyRule
  const pieces = piecesOf(rule)
  return pieces === undefined ? undefined : coverPieces(policy, index, pieces)
}

/** As coveredBy, for some pieces of a rule only. */
export function coverPieces(policy: Policy, index: number, pieces: readonly Piece[]): number[] | undefined {
  const earlier = policy.rules.slice(0, index)
  const whole = earlier.findIndex((rule) => pieces.every((piece) => covers(rule, piece)))
  if (whole >= 0) return [whole + 1]
  const by = new Set<number>()
  for (const piece of pieces) {
    const found = earlier.findIndex((rule) => covers(rule, piece))
    if (found < 0) return undefined
    by.add(found + 1)
  }
  return [...by].sort((a, b) => a - b)
}

/** What a rule matches, as the union of pieces; undefined where there would be too many. */
export function piecesOf(rule: PolicyRule): Piece[] | undefined {
  const users = any(rule.users)
  const groups = any(rule.userGroups)
  const verbs = any(rule.verbs)
  const namespaces = any(rule.namespaces)
  const resources = any(rule.resources.flatMap(resourcePieces))
  const paths = any(rule.nonResourceURLs)
  const count =
    users.length * groups.length * verbs.length * namespaces.length * resources.length * paths.length
  if (count > MAX_PIECES) return undefined
  const pieces: Piece[] = []
  for (const user of users)
    for (const group of groups)
      for (const verb of verbs)
        for (const namespace of namespaces)
          for (const resource of resources)
            for (const path of paths) pieces.push({ user, group, verb, namespace, resource, path })
  return pieces
}

/**
 * The part of a piece that is about one resource (`secrets`, `serviceaccounts/token`), undefined where it has none.
 */
export function narrow(piece: Piece, group: string, pattern: string): Piece | undefined {
  if (piece.path !== undefined) return undefined
  const { resource } = piece
  if (resource === undefined) return { ...piece, resource: { group, pattern, name: undefined } }
  if (!groupCovers(resource.group, group) || !patternCovers(resource.pattern, pattern)) return undefined
  return { ...piece, resource: { group, pattern, name: resource.name } }
}

function any<T>(values: readonly T[]): readonly (T | undefined)[] {
  return values.length === 0 ? [undefined] : values
}

function resourcePieces({ group, resources, resourceNames }: GroupResources): ResourcePiece[] {
  const patterns = resources.length === 0 || resources.includes('*') ? ['*'] : resources
  return patterns.flatMap((pattern) => any(resourceNames).map((name) => ({ group, pattern, name })))
}

/** Whether every request of the piece matches the rule. */
function covers(rule: PolicyRule, piece: Piece): boolean {
  return (
    has(rule.users, piece.user) &&
    has(rule.userGroups, piece.group) &&
    has(rule.verbs, piece.verb) &&
    has(rule.namespaces, piece.namespace) &&
    coversResource(rule.resources, piece.resource) &&
    coversPath(rule.nonResourceURLs, piece.path)
  )
}

function has(values: readonly string[], value: string | undefined): boolean {
  return values.length === 0 || (value !== undefined && values.includes(value))
}

function coversResource(entries: readonly GroupResources[], piece: ResourcePiece | undefined): boolean {
  if (entries.length === 0) return true
  if (piece === undefined) return false
  return entries.some(({ group, resources, resourceNames }) => {
    if (!groupCovers(group, piece.group) || !has(resourceNames, piece.name)) return false
    return resources.length === 0 || resources.some((pattern) => patternCovers(pattern, piece.pattern))
  })
}

function groupCovers(a: string, b: string): boolean {
  return a === '*' || a === b
}

/** Whether all that pattern `b` stands for matches pattern `a`. */
function patternCovers(a: string, b: string): boolean {
  if (a === '*' || a === b) return true
  if (a === '*/*') return false // which kube-apiserver does not take for a wildcard
  if (a.endsWith('/*')) return b.split('/', 1)[0] === a.slice(0, -2)
  return a.startsWith('*/') && b.endsWith(a.slice(1))
}

function coversPath(specs: readonly string[], path: string | undefined): boolean {
  if (specs.length === 0) return true
  if (path === undefined) return false
  return specs.some((spec) => {
    if (spec === path) return true
    return spec.endsWith('*') && (path.endsWith('*') ? path.slice(0, -1) : path).startsWith(spec.slice(0, -1))
  })
}
