import type { OIDCIssuer } from './authentication-config.js'
import { ConfigError } from '../errors.js'
import { parseCertificates } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import { shownURL } from '../url-text.js'
import type { IdentityHeaderNames } from '../request/identity-headers.js'
import type { Values } from '../cli/flag-values.js'
import type { FlagName } from '../cli/flags.js'

/** What the authentication flags say, checked against each other. The files are read by who uses them. */
export interface AuthenticationOptions {
  /** undefined: what --authentication-config says, and true where it says nothing. */
  readonly anonymousAuth: boolean | undefined
  readonly clientCAFile: string | undefined
  readonly clientCACRLFiles: readonly string[]
  readonly clientCertificateCredentialID: boolean
  readonly requestHeader: {
    /** undefined: nobody may assert identities. */
    readonly clientCAFile: string | undefined
    readonly allowedNames: readonly string[]
    readonly headers: IdentityHeaderNames
  }
  readonly tokenAuthFile: string | undefined
  readonly serviceAccounts: {
    readonly keyFiles: readonly string[]
    readonly issuers: readonly string[]
    readonly audiences: readonly string[]
  }
  /** The issuer of the --oidc-* flags, and the file with its authorities. */
  readonly oidc: { readonly issuer: OIDCIssuer; readonly caFile: string | undefined } | undefined
  readonly configFile: string | undefined
  /** undefined: upstream.kubeconfig. */
  readonly kubeconfig: string | undefined
  readonly tokenWebhookCacheTTL: number
}

/** @throws ConfigError */
export function authenticationOptions(values: Values): AuthenticationOptions {
  const clientCAFile = values.text('client-ca-file')
  if (clientCAFile !== undefined) {
    const where = values.where('client-ca-file')
    parseCertificates(readConfigFile(clientCAFile, where), `${where}: ${clientCAFile}`)
  }
  const options: AuthenticationOptions = {
    anonymousAuth: values.isSet('anonymous-auth') ? values.get('anonymous-auth') : undefined,
    clientCAFile,
    clientCACRLFiles: values.get('client-ca-crl-file'),
    clientCertificateCredentialID: values.get('client-certificate-credential-id'),
    requestHeader: {
      clientCAFile: values.text('requestheader-client-ca-file'),
      allowedNames: values.get('requestheader-allowed-names'),
      headers: {
        username: lowerCase(values.get('requestheader-username-headers')),
        uid: lowerCase(values.get('requestheader-uid-headers')),
        group: lowerCase(values.get('requestheader-group-headers')),
        extraPrefix: lowerCase(values.get('requestheader-extra-headers-prefix')),
      },
    },
    tokenAuthFile: values.text('token-auth-file'),
    serviceAccounts: serviceAccountOptions(values),
    oidc: oidcOptions(values),
    configFile: values.text('authentication-config'),
    kubeconfig: values.text('authentication-kubeconfig'),
    tokenWebhookCacheTTL: values.get('authentication-token-webhook-cache-ttl'),
  }
  const hasCA = clientCAFile !== undefined || options.requestHeader.clientCAFile !== undefined
  if (options.requestHeader.clientCAFile === undefined)
    needs(values, 'requestheader-allowed-names', 'requestheader-client-ca-file')
  if (!hasCA) needs(values, 'client-ca-crl-file', 'client-ca-file')
  if (clientCAFile === undefined) needs(values, 'client-certificate-credential-id', 'client-ca-file')
  return options
}

/** @throws ConfigError where a flag is set that says nothing without the other */
function needs(values: Values, name: FlagName, other: FlagName): void {
  const value = values.get(name)
  const empty = value === '' || value === false || (Array.isArray(value) && value.length === 0)
  if (!values.isSet(name) || empty) return
  throw new ConfigError(`${values.where(name)} is set, expected --${other} as well`)
}

function serviceAccountOptions(values: Values): AuthenticationOptions['serviceAccounts'] {
  const keyFiles = values.get('service-account-key-file')
  const issuers = values.get('service-account-issuer')
  const audiences = values.get('api-audiences')
  if (keyFiles.length === 0) {
    needs(values, 'service-account-issuer', 'service-account-key-file')
    needs(values, 'api-audiences', 'service-account-key-file')
  }
  return { keyFiles, issuers, audiences: audiences.length > 0 ? audiences : issuers }
}

/** k8s.io/kubernetes/pkg/kubeapiserver/options/authentication.go, and newAuthenticatorFromOIDCIssuerURL for the prefix. */
function oidcOptions(values: Values): AuthenticationOptions['oidc'] {
  const issuerURL = values.text('oidc-issuer-url')
  const clientID = values.text('oidc-client-id')
  const flags = [
    'oidc-issuer-url',
    'oidc-client-id',
    'oidc-ca-file',
    'oidc-username-claim',
    'oidc-username-prefix',
    'oidc-groups-claim',
    'oidc-groups-prefix',
    'oidc-required-claim',
    'oidc-signing-algs',
  ] as const
  if (issuerURL === undefined) {
    for (const name of flags) needs(values, name, 'oidc-issuer-url')
    return undefined
  }
  if (clientID === undefined)
    return fail(values, 'oidc-issuer-url', 'is set, expected --oidc-client-id as well')
  if (values.text('authentication-config') !== undefined)
    return fail(values, 'authentication-config', 'is set, expected no --oidc-issuer-url then')
  const url = URL.canParse(issuerURL) ? new URL(issuerURL) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') {
    const problem = `found ${shownURL(issuerURL)}, expected a URL with https and without user`
    return fail(values, 'oidc-issuer-url', problem, ': ')
  }
  const usernameClaim = values.text('oidc-username-claim')
  if (usernameClaim === undefined) return fail(values, 'oidc-username-claim', 'is empty, expected a claim')
  const groupsClaim = values.text('oidc-groups-claim')
  if (groupsClaim === undefined) needs(values, 'oidc-groups-prefix', 'oidc-groups-claim')
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
        uidClaim: undefined,
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

function fail(values: Values, name: FlagName, problem: string, separator = ' '): never {
  throw new ConfigError(`${values.where(name)}${separator}${problem}`)
}

function lowerCase(names: readonly string[]): string[] {
  return names.map((name) => name.trim().toLowerCase())
}
