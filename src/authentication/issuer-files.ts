import type { Logger } from 'pino'
import type { AuthenticationOptions } from './options.js'
import { ConfigError } from '../errors.js'
import type { Reloadable } from '../live/reloadable.js'
import { parseCertificates } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import {
  parseAuthenticationConfiguration,
  type AnonymousRule,
  type OIDCIssuer,
} from './authentication-config.js'
import type { TokenAuthenticator } from './bearer-token.js'
import { IssuersAuthenticator, type IssuerVerifier } from './issuers.js'
import { OIDCVerifier } from './oidc.js'
import { OIDCProvider } from './oidc-provider.js'
import {
  boundToken,
  LEGACY_ISSUER,
  legacyToken,
  parseServiceAccountKeys,
  ServiceAccountKeys,
  ServiceAccountVerifier,
  type TokenKind,
} from './service-account.js'
import { ServiceAccountLookup } from './service-account-lookup.js'

const KEY_FLAG = '--service-account-key-file'
const CONFIG_FLAG = '--authentication-config'
const OIDC_CA_FLAG = '--oidc-ca-file'

interface IssuerDependencies {
  /** Says whether the apiserver knows a token. */
  readonly reviews: TokenAuthenticator
  readonly log: Logger
  readonly now: () => number
}

/** Whose JSON Web Tokens are verified here: service accounts, and OpenID Connect by flags or by file. */
export class IssuerFiles {
  readonly authenticator: IssuersAuthenticator
  readonly reloadables: Reloadable[] = []
  /** Who may come without credentials, as the flag and the file have it together. */
  anonymous: AnonymousRule = true
  /** Is told when a reload changes it. */
  onAnonymous: (rule: AnonymousRule) => void = () => {}
  readonly #serviceAccounts: ReadonlyMap<string, IssuerVerifier>

  readonly #options: AuthenticationOptions
  readonly #deps: IssuerDependencies

  /** @throws ConfigError */
  constructor(options: AuthenticationOptions, deps: IssuerDependencies) {
    this.#options = options
    this.#deps = deps
    this.#serviceAccounts = this.#newServiceAccounts()
    const { issuers, anonymous } = this.#readOIDC()
    this.anonymous = anonymous
    this.authenticator = new IssuersAuthenticator(this.#newVerifiers(issuers))
    const { configFile, oidc } = options
    const file = configFile ?? oidc?.caFile
    if (file === undefined) return
    const name = configFile === undefined ? 'oidc-ca-file' : 'authentication-config'
    this.reloadables.push({ name, files: () => [file], reload: () => this.#reloadOIDC() })
  }

  close(): void {
    this.authenticator.close()
  }

  #newServiceAccounts(): Map<string, IssuerVerifier> {
    const { keyFiles, issuers, audiences, lookup } = this.#options.serviceAccounts
    const verifiers = new Map<string, IssuerVerifier>()
    if (keyFiles.length === 0) return verifiers
    const read = () =>
      keyFiles.flatMap((file) =>
        parseServiceAccountKeys(readConfigFile(file, KEY_FLAG), `${KEY_FLAG}: ${file}`),
      )
    const keys = new ServiceAccountKeys(read())
    const { now, reviews } = this.#deps
    const verifier = (kind: TokenKind): IssuerVerifier => {
      const signed = new ServiceAccountVerifier(kind, keys, audiences, now)
      return lookup ? new ServiceAccountLookup(signed, reviews) : signed
    }
    for (const issuer of issuers) verifiers.set(issuer, verifier(boundToken))
    verifiers.set(LEGACY_ISSUER, verifier(legacyToken))
    this.reloadables.push({
      name: 'service-account-key-file',
      files: () => keyFiles,
      reload: () => keys.replace(read()),
    })
    return verifiers
  }

  /** Everything is read and checked before anything is made, so that a failure leaves nothing behind. */
  #readOIDC(): { issuers: readonly OIDCIssuer[]; anonymous: AnonymousRule } {
    const { configFile, oidc, anonymousAuth, serviceAccounts } = this.#options
    if (configFile === undefined) {
      return { issuers: oidc === undefined ? [] : [withCA(oidc)], anonymous: anonymousAuth ?? true }
    }
    const config = parseAuthenticationConfiguration(readConfigFile(configFile, CONFIG_FLAG), configFile)
    if (config.anonymous !== undefined && anonymousAuth !== undefined) {
      throw new ConfigError(`${configFile}: anonymous: is set, expected no --anonymous-auth then`)
    }
    for (const { issuerURL } of config.issuers) {
      if (serviceAccounts.issuers.includes(issuerURL)) {
        throw new ConfigError(
          `${configFile}: jwt: the issuer ${issuerURL} is a --service-account-issuer as well`,
        )
      }
    }
    return { issuers: config.issuers, anonymous: config.anonymous ?? anonymousAuth ?? true }
  }

  #reloadOIDC(): void {
    const { issuers, anonymous } = this.#readOIDC()
    this.authenticator.replace(this.#newVerifiers(issuers))
    this.anonymous = anonymous
    this.onAnonymous(anonymous)
  }

  #newVerifiers(issuers: readonly OIDCIssuer[]): Map<string, IssuerVerifier> {
    const { log, now } = this.#deps
    const verifiers = new Map(this.#serviceAccounts)
    for (const { issuerURL, discoveryURL, ca, egressSelectorType, rules } of issuers) {
      if (egressSelectorType !== undefined) {
        log.warn(
          { issuer: issuerURL, egressSelectorType },
          'the egress selector of the OIDC issuer is for kube-apiserver: this proxy asks the issuer directly',
        )
      }
      const provider = new OIDCProvider({ issuerURL, discoveryURL, ca, log, now })
      provider.start()
      verifiers.set(issuerURL, new OIDCVerifier(provider, rules, now))
    }
    return verifiers
  }
}

function withCA({ issuer, caFile }: NonNullable<AuthenticationOptions['oidc']>): OIDCIssuer {
  if (caFile === undefined) return issuer
  const ca = readConfigFile(caFile, OIDC_CA_FLAG)
  parseCertificates(ca, `${OIDC_CA_FLAG}: ${caFile}`)
  return { ...issuer, ca }
}
