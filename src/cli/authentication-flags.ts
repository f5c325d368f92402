import type { Flag } from './flag.js'

const GROUP = 'Authentication'
const noneEmpty = (value: readonly string[]) =>
  value.every((one) => one.trim() !== '') ? undefined : 'no empty values'

/** kube-apiserver's flags for who a request is from, as far as they concern a proxy. */
export const AUTHENTICATION_FLAGS = [
  {
    name: 'anonymous-auth',
    type: 'bool',
    default: true,
    group: GROUP,
    help: 'Accept requests without credentials, as the user system:anonymous of the group system:unauthenticated.',
  },
  {
    name: 'api-audiences',
    type: 'strings',
    default: [],
    group: GROUP,
    validate: noneEmpty,
    help: 'Audiences of which a service account token must have one; the values of --service-account-issuer where it is not set.',
  },
  {
    name: 'authentication-config',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'File with an AuthenticationConfiguration of apiserver.config.k8s.io: OpenID Connect issuers, and who may come without credentials. Not together with --oidc-*. CEL expressions are refused.',
  },
  {
    name: 'authentication-kubeconfig',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'Kubeconfig of a kube-apiserver that may create TokenReviews, which verify bearer tokens. Where it is not set, --kubeconfig is used.',
  },
  {
    name: 'authentication-token-webhook-cache-ttl',
    type: 'duration',
    default: 10_000,
    group: GROUP,
    validate: (value: number) => (value >= 0 ? undefined : 'a duration of 0 or more'),
    help: 'How long the answer to a TokenReview is used again.',
  },
  {
    name: 'client-ca-crl-file',
    type: 'stringArray',
    default: [],
    group: GROUP,
    validate: noneEmpty,
    help: 'PEM file with revocation lists of the authorities in --client-ca-file and --requestheader-client-ca-file. May be given several times. Once a list has expired, no certificate of its authority is accepted; authorities without a list are not checked.',
  },
  {
    name: 'client-ca-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the authorities whose client certificates are accepted. The common name is the user, the organizations are the groups.',
  },
  {
    name: 'client-certificate-credential-id',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Report client certificates in the extra authentication.kubernetes.io/credential-id of their users, as kube-apiserver does since 1.32. It goes upstream as well.',
  },
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
  {
    name: 'requestheader-allowed-names',
    type: 'strings',
    default: [],
    group: GROUP,
    validate: noneEmpty,
    help: 'Common names of the client certificates that may assert identities in headers; all that lead to --requestheader-client-ca-file where it is not set.',
  },
  {
    name: 'requestheader-client-ca-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the authorities whose client certificates may assert identities in the headers of --requestheader-username-headers: those of a proxy in front of this one.',
  },
  {
    name: 'requestheader-extra-headers-prefix',
    type: 'strings',
    default: ['X-Remote-Extra-'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Prefixes of headers with extra attributes of a user. Such headers of others than trusted proxies are removed.',
  },
  {
    name: 'requestheader-group-headers',
    type: 'strings',
    default: ['X-Remote-Group'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Headers with the groups of a user. Such headers of others than trusted proxies are removed.',
  },
  {
    name: 'requestheader-uid-headers',
    type: 'strings',
    default: ['X-Remote-Uid'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Headers with the uid of a user. Such headers of others than trusted proxies are removed.',
  },
  {
    name: 'requestheader-username-headers',
    type: 'strings',
    default: ['X-Remote-User'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Headers with the name of a user. Such headers of others than trusted proxies are removed; name here whatever the upstream kube-apiserver reads beyond X-Remote-*.',
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
  {
    name: 'token-auth-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'CSV file with the static tokens that kube-apiserver has: token, user name, user uid, and optionally groups in quotes.',
  },
] as const satisfies readonly Flag[]
