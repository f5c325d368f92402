import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'
import { ConfigError } from '../errors.js'
import { shownURL } from '../url-text.js'
import type { OIDCIssuer } from './authentication-config.js'
import { NO_EXPRESSIONS } from './oidc.js'

/** The issuer of the --oidc-* flags, and the file with its authorities. */
export interface OIDCOptions {
  readonly issuer: OIDCIssuer
  readonly caFile: string | undefined
}

const GROUP = 'Authentication'

/** --oidc-*: k8s.io/kubernetes/pkg/kubeapiserver/options/authentication.go. */
export const OIDC_FLAGS = [
  {
    name: 'oidc-ca-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the authorities of the server of --oidc-issuer-url; those that Node.js trusts where it is not set.',
  },
  {
    name: 'oidc-client-id',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'Client ID that OpenID Connect tokens must be for. Goes with --oidc-issuer-url.',
  },
  {
    name: 'oidc-groups-claim',
    type: 'string',
    default: '',
    group: GROUP,
    help: "OpenID Connect claim with the user's groups, a string or a list of strings.",
  },
  {
    name: 'oidc-groups-prefix',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'Put in front of each group of --oidc-groups-claim.',
  },
  {
    name: 'oidc-issuer-url',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'URL of the OpenID Connect issuer, with https. Its tokens are verified here; they still go upstream, so that kube-apiserver must have the same --oidc-* flags. Where it has others, set none: TokenReview then says whose tokens they are.',
  },
  {
    name: 'oidc-required-claim',
    type: 'stringArray',
    default: [],
    group: GROUP,
    validate: (value: readonly string[]) =>
      value.every((one) => one.indexOf('=') > 0) ? undefined : 'CLAIM=VALUE',
    help: 'CLAIM=VALUE that an OpenID Connect token must have. May be given several times.',
  },
  {
    name: 'oidc-signing-algs',
    type: 'strings',
    default: ['RS256'],
    group: GROUP,
    validate(value: readonly string[]) {
      const known = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512']
      return value.length > 0 && value.every((one) => known.includes(one))
        ? undefined
        : `some of ${known.join(', ')}`
    },
    help: 'Algorithms that OpenID Connect tokens may be signed with.',
  },
  {
    name: 'oidc-username-claim',
    type: 'string',
    default: 'sub',
    group: GROUP,
    help: 'OpenID Connect claim with the name of the user.',
  },
  {
    name: 'oidc-username-prefix',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'Put in front of the names of --oidc-username-claim. Where it is not set, names other than emails get the issuer URL and a #; - stands for no prefix.',
  },
] as const satisfies readonly Flag[]

/**
 * The issuer of the flags, with the prefix that kube-apiserver puts where none is given (newAuthenticatorFromOIDCIssuerURL).
 * @throws ConfigError
 */
export function readOIDCOptions(settings: Settings): OIDCOptions | undefined {
  const values = new FlagValues(OIDC_FLAGS, settings)
  const issuerURL = values.text('oidc-issuer-url')
  if (issuerURL === undefined) {
    for (const { name } of OIDC_FLAGS) values.needs(name, 'oidc-issuer-url')
    return undefined
  }
  const clientID = values.text('oidc-client-id')
  if (clientID === undefined)
    throw new ConfigError(`${values.where('oidc-issuer-url')} is set, expected --oidc-client-id as well`)
  const url = URL.canParse(issuerURL) ? new URL(issuerURL) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    values.fail('oidc-issuer-url', shownURL(issuerURL), 'a URL with https and without user')
  const usernameClaim = values.text('oidc-username-claim')
  if (usernameClaim === undefined)
    throw new ConfigError(`${values.where('oidc-username-claim')} is empty, expected a claim`)
  const groupsClaim = values.text('oidc-groups-claim')
  values.needs('oidc-groups-prefix', 'oidc-groups-claim')
  const prefix = values.get('oidc-username-prefix')
  const defaultPrefix = usernameClaim === 'email' ? '' : `${issuerURL}#`
  return {
    caFile: values.text('oidc-ca-file'),
    issuer: {
      issuerURL,
      discoveryURL: undefined,
      ca: undefined,
      rules: {
        audiences: [clientID],
        username: {
          claim: usernameClaim,
          prefix: prefix === '' ? defaultPrefix : prefix === '-' ? '' : prefix,
        },
        groups:
          groupsClaim === undefined
            ? undefined
            : { claim: groupsClaim, prefix: values.get('oidc-groups-prefix') },
        ...NO_EXPRESSIONS,
        requiredClaims: requiredClaims(values.get('oidc-required-claim')),
        signingAlgorithms: values.get('oidc-signing-algs'),
      },
    },
  }
}

function requiredClaims(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]
    }),
  )
}
