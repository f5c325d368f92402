import { noneEmpty } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'
import { ConfigError } from '../errors.js'

/** Which service account tokens are verified here. */
export interface ServiceAccountOptions {
  /** None: TokenReview verifies them. */
  readonly keyFiles: readonly string[]
  readonly issuers: readonly string[]
  readonly audiences: readonly string[]
  /** Whether TokenReview is asked as well, whether a token that is good here still counts. */
  readonly lookup: boolean
}

const GROUP = 'Authentication'

/** --service-account-* and --api-audiences. */
export const SERVICE_ACCOUNT_FLAGS = [
  {
    name: 'api-audiences',
    type: 'strings',
    default: [],
    group: GROUP,
    validate: noneEmpty,
    help: 'Audiences of which a service account token must have one; the values of --service-account-issuer where it is not set.',
  },
  {
    name: 'service-account-issuer',
    type: 'stringArray',
    default: [],
    group: GROUP,
    validate: noneEmpty,
    help: 'Issuer of service account tokens that are verified here. May be given several times. Goes with --service-account-key-file.',
  },
  {
    name: 'service-account-key-file',
    type: 'stringArray',
    default: [],
    group: GROUP,
    validate: noneEmpty,
    help: 'PEM file with RSA or ECDSA keys (public or private) or certificates to verify service account tokens with. May be given several times.',
  },
  {
    name: 'service-account-lookup',
    type: 'bool',
    default: true,
    group: GROUP,
    help: 'Ask by TokenReview whether a service account token that --service-account-key-file verifies still counts: whether its account, pod and Secret exist. False takes what is signed for good, and asks nobody: then a request with a token that no longer counts is recorded with its user, and kube-apiserver, which gets the token, refuses it.',
  },
] as const satisfies readonly Flag[]

/** @throws ConfigError */
export function readServiceAccountOptions(settings: Settings): ServiceAccountOptions {
  const values = new FlagValues(SERVICE_ACCOUNT_FLAGS, settings)
  const keyFiles = values.get('service-account-key-file')
  const issuers = values.get('service-account-issuer')
  const audiences = values.get('api-audiences')
  values.needs('service-account-issuer', 'service-account-key-file')
  values.needs('api-audiences', 'service-account-key-file')
  const lookup = values.get('service-account-lookup')
  // Without keys all of them go by TokenReview, and kube-apiserver does as its own flag says.
  if (!lookup && keyFiles.length === 0)
    throw new ConfigError(
      `${values.where('service-account-lookup')} is false, expected --service-account-key-file as well`,
    )
  return { keyFiles, issuers, audiences: audiences.length > 0 ? audiences : issuers, lookup }
}
