import type { Level, Stage } from '../event.js'

/**
 * An audit policy: k8s.io/apiserver/pkg/apis/audit Policy. Rules are tried in order and the first that matches decides; a
 * request that none matches is not audited.
 */
export interface Policy {
  readonly rules: readonly PolicyRule[]
  /** Stages that no rule has events at. */
  readonly omitStages: readonly Stage[]
  /** Whether metadata.managedFields is left out of recorded bodies, for rules that do not say. */
  readonly omitManagedFields: boolean
}

/** Which requests a rule is about, and how they are recorded. A request must satisfy every list that is not empty. */
export interface PolicyRule {
  readonly level: Level
  readonly users: readonly string[]
  /** The user must be in one of these. */
  readonly userGroups: readonly string[]
  readonly verbs: readonly string[]
  readonly resources: readonly GroupResources[]
  /** The empty string stands for resources outside namespaces. */
  readonly namespaces: readonly string[]
  /** Paths; a `*` at the end stands for any rest. A rule with these has no resources and no namespaces. */
  readonly nonResourceURLs: readonly string[]
  /** Stages without events, besides those that the policy names. */
  readonly omitStages: readonly Stage[]
  readonly omitManagedFields?: boolean | undefined
}

/** Resources of one API group, or of every group. */
export interface GroupResources {
  /** The empty string is the core group, `*` is every group. */
  readonly group: string
  // "pods", "pods/log", "pods/*" (pods and all their subresources), "*/scale", "*". None stands for all of the group.
  readonly resources: readonly string[]
  /** None stands for every name. */
  readonly resourceNames: readonly string[]
}
