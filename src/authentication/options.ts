import { noneEmpty, notNegative } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'
import { readConfigFile } from '../config-files.js'
import { ConfigError } from '../errors.js'
import { parseCertificates } from '../pem.js'
import { OIDC_FLAGS, readOIDCOptions, type OIDCOptions } from './oidc-options.js'
import {
  readRequestHeaderOptions,
  REQUEST_HEADER_FLAGS,
  type RequestHeaderOptions,
} from './request-header-options.js'
import {
  readServiceAccountOptions,
  SERVICE_ACCOUNT_FLAGS,
  type ServiceAccountOptions,
} from './service-account-options.js'

/** What the authentication flags say, checked against each other. The files are read by who uses them. */
export interface AuthenticationOptions {
  /** undefined: what --authentication-config says, and true where it says nothing. */
  readonly anonymousAuth: boolean | undefined
  readonly clientCAFile: string | undefined
  readonly clientCACRLFiles: readonly string[]
  /** Whether the users of client certificates have the extra that names the certificate. */
  readonly clientCertificateCredentialID: boolean
  readonly requestHeader: RequestHeaderOptions
  /** --enable-bootstrap-token-auth */
  readonly bootstrapTokens: boolean
  readonly tokenAuthFile: string | undefined
  readonly serviceAccounts: ServiceAccountOptions
  readonly oidc: OIDCOptions | undefined
  /** --authentication-config */
  readonly configFile: string | undefined
  /** --authentication-kubeconfig; undefined: as --kubeconfig. */
  readonly kubeconfig: string | undefined
  /** Milliseconds. */
  readonly tokenWebhookCacheTTL: number
}

const GROUP = 'Authentication'

const OWN_FLAGS = [
  {
    name: 'anonymous-auth',
    type: 'bool',
    default: true,
    group: GROUP,
    help: 'Accept requests without credentials, as the user system:anonymous of the group system:unauthenticated.',
  },
  {
    name: 'authentication-config',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'File with an AuthenticationConfiguration of apiserver.config.k8s.io: OpenID Connect issuers, and who may come without credentials. Not together with --oidc-*. With the CEL expressions of kube-apiserver 1.37.',
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
    validate: notNegative,
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
    default: true,
    group: GROUP,
    help: 'Name client certificates in the extra authentication.kubernetes.io/credential-id of their users, as kube-apiserver does since 1.32. It goes upstream as well. Turn it off in front of an older one whose own log is to be matched, or where the proxy must not impersonate that extra.',
  },
  {
    name: 'enable-bootstrap-token-auth',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Accept bootstrap tokens, which are Secrets of the type bootstrap.kubernetes.io/token in kube-system. TokenReview verifies them, so kube-apiserver must accept them as well.',
  },
  {
    name: 'token-auth-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'CSV file with the static tokens that kube-apiserver has: token, user name, user uid, and optionally groups in quotes.',
  },
] as const satisfies readonly Flag[]

/** kube-apiserver's flags for who a request is from, as far as they concern a proxy. */
export const AUTHENTICATION_FLAGS: readonly Flag[] = [
  ...OWN_FLAGS,
  ...OIDC_FLAGS,
  ...REQUEST_HEADER_FLAGS,
  ...SERVICE_ACCOUNT_FLAGS,
]

/** @throws ConfigError */
export function readAuthenticationOptions(settings: Settings): AuthenticationOptions {
  const values = new FlagValues(OWN_FLAGS, settings)
  const clientCAFile = values.text('client-ca-file')
  if (clientCAFile !== undefined) {
    const where = values.where('client-ca-file')
    parseCertificates(readConfigFile(clientCAFile, where), `${where}: ${clientCAFile}`)
  }
  const requestHeader = readRequestHeaderOptions(settings)
  const oidc = readOIDCOptions(settings)
  const configFile = values.text('authentication-config')
  if (requestHeader.clientCAFile === undefined) values.needs('client-ca-crl-file', 'client-ca-file')
  if (oidc !== undefined && configFile !== undefined)
    throw new ConfigError(
      `${values.where('authentication-config')} is set, expected no --oidc-issuer-url then`,
    )
  return {
    anonymousAuth: values.isSet('anonymous-auth') ? values.get('anonymous-auth') : undefined,
    clientCAFile,
    clientCACRLFiles: values.get('client-ca-crl-file'),
    clientCertificateCredentialID: values.get('client-certificate-credential-id'),
    requestHeader,
    bootstrapTokens: values.get('enable-bootstrap-token-auth'),
    tokenAuthFile: values.text('token-auth-file'),
    serviceAccounts: readServiceAccountOptions(settings),
    oidc,
    configFile,
    kubeconfig: values.text('authentication-kubeconfig'),
    tokenWebhookCacheTTL: values.get('authentication-token-webhook-cache-ttl'),
  }
}
