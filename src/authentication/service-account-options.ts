import { noneEmpty } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'

/** Which service account tokens are verified here. */
export interface ServiceAccountOptions {
  /** None: TokenReview verifies them. */
  readonly keyFiles: readonly string[]
  readonly issuers: readonly string[]
  readonly audiences: readonly string[]
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
    help: 'PEM file with RSA or ECDSA keys (public or private) or certificates to verify service account tokens with, instead of by TokenReview. May be given several times. Whether the account still exists is left to kube-apiserver, which gets the token.',
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
  return { keyFiles, issuers, audiences: audiences.length > 0 ? audiences : issuers }
}
