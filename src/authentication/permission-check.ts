import type { Logger } from 'pino'
import type { AuthenticationOptions } from './options.js'
import { errorMessage } from '../errors.js'
import { ALL_AUTHENTICATED } from '../request/user-info.js'
import { CREDENTIAL_ID } from './credential-id.js'
import type { ReviewClient } from '../cluster/reviews.js'
import { mayI, type Access } from '../cluster/self-access.js'

export interface PermissionCheck {
  readonly options: AuthenticationOptions
  /** Whether identities go upstream as Impersonate-* headers. */
  readonly impersonates: boolean
  /** With the credentials of --authentication-kubeconfig, or of --kubeconfig: for TokenReviews. */
  readonly reviews: ReviewClient
  /** With those of --kubeconfig: what impersonates. */
  readonly own: ReviewClient
  readonly log: Logger
}

interface Need {
  readonly client: ReviewClient
  readonly access: Access
  /** What happens without it. */
  readonly otherwise: string
}

/** One line that says how identities reach the apiserver, for that follows from several flags. */
export function logIdentityMode({ options, impersonates, log }: PermissionCheck): void {
  const asserts = options.clientCAFile !== undefined || options.requestHeader.clientCAFile !== undefined
  const how = impersonates ? 'impersonation (Impersonate-*)' : 'request header (X-Remote-*)'
  log.info(
    {
      tokens: 'passed on as they are',
      certificates: options.clientCAFile === undefined ? 'not accepted' : how,
      frontProxies: options.requestHeader.clientCAFile === undefined ? 'not accepted' : how,
      anonymous: options.anonymousAuth === false ? 'not accepted' : 'passed on without credentials',
    },
    `identity mode: ${asserts ? (impersonates ? 'impersonation' : 'request header') : 'passthrough'}`,
  )
}

/**
 * Asks the apiserver what the proxy's own identity may do, and warns where that is more or less than the flags need. It
 * hinders nothing: the apiserver may not be there yet, and permissions may come later. Never rejects.
 */
export async function checkPermissions(check: PermissionCheck): Promise<void> {
  const { log, own, reviews } = check
  try {
    for (const client of new Set([own, reviews])) {
      if (await mayI(client, { verb: '*', group: '*', resource: '*' })) {
        log.warn(
          'the identity of the kubeconfig may do everything in the cluster: give it one that may do no more than docs/authentication.md lists',
        )
      } else if (client === own && (await mayI(client, BE_MASTER))) {
        log.warn(
          'the identity of the kubeconfig may impersonate system:masters, and so do everything in the cluster: name the users and groups that it may, as config/kubernetes/rbac-impersonation.yaml does',
        )
      }
    }
    for (const { client, access, otherwise } of needs(check)) {
      if (await mayI(client, access)) continue
      const constrained = constrainedForm(access)
      if (constrained !== undefined && (await mayI(client, constrained))) continue
      const { verb, group, resource, subresource, name } = access
      const what = `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}${group === '' ? '' : `.${group}`}`
      const named = name === undefined ? what : `${what} ${name}`
      log.warn({ missing: named }, `the identity of the kubeconfig may not ${named}: ${otherwise}`)
    }
  } catch (err) {
    log.warn({ reason: errorMessage(err) }, 'cannot find out what the identity of the kubeconfig may do')
  }
}

function needs({ options, impersonates, own, reviews }: PermissionCheck): Need[] {
  const list: Need[] = [
    {
      client: reviews,
      access: { verb: 'create', group: 'authentication.k8s.io', resource: 'tokenreviews' },
      otherwise:
        'bearer tokens that are not verified here are looked up by SelfSubjectReview, which needs Kubernetes 1.28, and are refused with 503 on older ones',
    },
  ]
  const fromFrontProxies = options.requestHeader.clientCAFile !== undefined
  if (!impersonates || (options.clientCAFile === undefined && !fromFrontProxies)) return list
  list.push({
    client: reviews,
    access: { verb: 'create', group: 'authorization.k8s.io', resource: 'subjectaccessreviews' },
    otherwise: 'users of client certificates who impersonate get 503',
  })
  for (const [who, things] of Object.entries(IMPERSONATED)) {
    for (const [group, resource, subresource, name] of things) {
      if (subresource === CREDENTIAL_ID && !options.clientCertificateCredentialID) continue
      const access = {
        verb: 'impersonate',
        group,
        resource,
        ...(subresource !== undefined && { subresource }),
        ...(name !== undefined && { name }),
      }
      list.push({ client: own, access, otherwise: `${who} get 403 from the apiserver` })
    }
  }
  return list
}

type Impersonated = readonly [group: string, resource: string, subresource?: string, name?: string]

const AUTHENTICATION = 'authentication.k8s.io'
const extra = (key: string): Impersonated => [AUTHENTICATION, 'userextras', key]
const original = (part: string): Impersonated => extra(`kube-audit-proxy.io/original-${part}`)

const BE_MASTER: Access = { verb: 'impersonate', group: '', resource: 'groups', name: 'system:masters' }

/**
 * What takes its place with constrained impersonation (k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go
 * userInfoImpersonationMode), besides what is requested.
 */
function constrainedForm(access: Access): Access | undefined {
  if (access.verb !== 'impersonate') return undefined
  return { ...access, verb: 'impersonate:user-info', group: AUTHENTICATION }
}

/**
 * What the proxy impersonates (identity.ts impersonationIdentity), by those who need it. Not whom: users, groups and service
 * accounts are named where permissions are as small as they should be, and only system:authenticated is everybody's.
 */
const IMPERSONATED: Readonly<Record<string, readonly Impersonated[]>> = {
  'users of client certificates': [['', 'groups', undefined, ALL_AUTHENTICATED], extra(CREDENTIAL_ID)],
  'users of client certificates who impersonate': [original('user'), original('groups')],
  'users with a uid, or who impersonate one,': [[AUTHENTICATION, 'uids']],
  'users with a uid who impersonate': [original('uid')],
}
