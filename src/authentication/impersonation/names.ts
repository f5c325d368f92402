import { isDNS1123Subdomain } from '../../names.js'

const SERVICE_ACCOUNT = 'system:serviceaccount:'
const NODE = 'system:node:'
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

export interface ServiceAccountName {
  readonly namespace: string
  readonly name: string
}

/** Which service account a user name is of, if any (k8s.io/apiserver/pkg/authentication/serviceaccount SplitUsername). */
export function serviceAccountOf(username: string): ServiceAccountName | undefined {
  if (!username.startsWith(SERVICE_ACCOUNT)) return undefined
  const parts = username.slice(SERVICE_ACCOUNT.length).split(':', 3)
  if (parts.length !== 2) return undefined
  const [namespace, name] = parts as [string, string]
  return DNS_LABEL.test(namespace) && isDNS1123Subdomain(name) ? { namespace, name } : undefined
}

/** MakeGroupNames: the groups of the service accounts of a namespace. */
export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}

/** The group that all nodes are in. */
export const NODES = 'system:nodes'

/** Which node a user name is of, if any (isNodeUsername in k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go). */
export function nodeOf(username: string): string | undefined {
  if (!username.startsWith(NODE)) return undefined
  const name = username.slice(NODE.length)
  return isDNS1123Subdomain(name) ? name : undefined
}
