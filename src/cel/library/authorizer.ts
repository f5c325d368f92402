import { noSuchOverload } from '../errors.js'
import { method, type Overload } from '../functions.js'
import { BOOL, STRING, struct, type Type } from '../types.js'

const AUTHORIZER = struct('kubernetes.authorization.Authorizer')
const PATH_CHECK = struct('kubernetes.authorization.PathCheck')
const GROUP_CHECK = struct('kubernetes.authorization.GroupCheck')
const RESOURCE_CHECK = struct('kubernetes.authorization.ResourceCheck')
const DECISION = struct('kubernetes.authorization.Decision')

/** What check() costs: more than two of them are too many for an expression. */
const CHECK_COST = 350_000

/** Nothing leads to a value of these types where there is no authorizer. */
function never(name: string, params: readonly Type[], result: Type, cost = 1): Overload {
  const run = (): never => {
    throw noSuchOverload(name)
  }
  return method(name, params, result, run, { cost: () => cost, costsByName: true })
}

/**
 * k8s.io/apiserver/pkg/cel/library authz and its selectors. They are declared wherever Kubernetes evaluates expressions, so
 * that an expression with one can be loaded; what it calls them with is never an authorizer.
 */
export const AUTHORIZER_FUNCTIONS: readonly Overload[] = [
  never('path', [AUTHORIZER, STRING], PATH_CHECK),
  never('group', [AUTHORIZER, STRING], GROUP_CHECK),
  never('serviceAccount', [AUTHORIZER, STRING, STRING], AUTHORIZER),
  never('resource', [GROUP_CHECK, STRING], RESOURCE_CHECK),
  never('subresource', [RESOURCE_CHECK, STRING], RESOURCE_CHECK),
  never('namespace', [RESOURCE_CHECK, STRING], RESOURCE_CHECK),
  never('name', [RESOURCE_CHECK, STRING], RESOURCE_CHECK),
  never('fieldSelector', [RESOURCE_CHECK, STRING], RESOURCE_CHECK),
  never('labelSelector', [RESOURCE_CHECK, STRING], RESOURCE_CHECK),
  never('check', [PATH_CHECK, STRING], DECISION, CHECK_COST),
  never('check', [RESOURCE_CHECK, STRING], DECISION, CHECK_COST),
  never('errored', [DECISION], BOOL),
  never('error', [DECISION], STRING),
  never('allowed', [DECISION], BOOL),
  never('reason', [DECISION], STRING),
]
