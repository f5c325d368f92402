import type { Logger } from 'pino'
import type { AuthenticationOptions } from './options.js'
import type { Reloadable } from '../live/reloadable.js'
import type { ReviewKind, ReviewMetrics } from '../cluster/review-metrics.js'
import type { ReviewClient } from '../cluster/reviews.js'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'
import { AnonymousFallback } from './anonymous.js'
import type { Authenticator } from './authenticator.js'
import { BearerTokenAuthenticator, type TokenAuthenticator } from './bearer-token.js'
import { WithoutBootstrapTokens } from './bootstrap-token.js'
import { ClientCertificateFiles } from './client-certificate-files.js'
import { ImpersonationAuthorizer } from './impersonation/authorizer.js'
import { IssuerFiles } from './issuer-files.js'
import { RequestHeaderAuthenticator } from './request-header.js'
import { ReviewsInTurn, Turns } from './review-turns.js'
import { ReviewFallback, SelfSubjectReviewAuthenticator } from './self-subject-review.js'
import { TokenCache } from './token-cache.js'
import { parseTokenFile, TokenFileAuthenticator } from './token-file.js'
import { TokenReviewAuthenticator } from './token-review.js'
import { TokenUnion } from './token-union.js'
import { UnionAuthenticator } from './union.js'
import { WebSocketProtocolAuthenticator } from './websocket-protocol.js'
import { X509Authenticator } from './x509.js'
import { readConfigFile } from '../config-files.js'
import { RateLimitedLog } from '../rate-limited-log.js'

/** k8s.io/apiserver caches as many answers in each of its 32 shards. */
const TOKEN_CACHE_ENTRIES = 4096
/** k8s.io/kubernetes/pkg/kubeapiserver/options/authentication.go: tokens that are verified here, in milliseconds. */
const LOCAL_SUCCESS_TTL = 10_000
const LOCAL_FAILURE_TTL = 0

export interface AuthenticationDependencies {
  /** With the proxy's own credentials, for TokenReviews and SubjectAccessReviews. */
  readonly reviews: ReviewClient
  /** Without any, for SelfSubjectReviews with the client's token. Asked again for each. */
  readonly bare: () => UpstreamConnections
  readonly reviewMetrics: (kind: ReviewKind) => ReviewMetrics
  readonly log: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The authorities to ask clients for certificates of; which of them make what is for the authenticators to say. */
export interface ClientAuthorities extends Reloadable {
  /** As they are now. */
  readonly pem: string
}

/** The authenticators that the flags ask for. */
export interface Authentication {
  readonly authenticator: Authenticator
  /** For users who impersonate, where the proxy itself impersonates. */
  readonly impersonation: ImpersonationAuthorizer
  /** undefined: clients are asked for no certificates. */
  readonly clientAuthorities: ClientAuthorities | undefined
  /** What else is made of files. */
  readonly reloadables: readonly Reloadable[]
  /** Ends what is open to other servers. */
  close(): void
}

/**
 * Reads the files and puts the authenticators together, in kube-apiserver's order: request headers, client certificates,
 * then tokens (static, service account, OpenID Connect, TokenReview), nobody last
 * (k8s.io/kubernetes/pkg/kubeapiserver/authenticator/config.go).
 *
 * @throws ConfigError
 */
export function newAuthentication(
  options: AuthenticationOptions,
  deps: AuthenticationDependencies,
): Authentication {
  const { log, now } = deps
  const certificates = new ClientCertificateFiles(options, now)
  const authenticators: Authenticator[] = []
  if (certificates.frontProxies !== undefined) {
    const { allowedNames, headers } = options.requestHeader
    authenticators.push(new RequestHeaderAuthenticator(certificates.frontProxies, allowedNames, headers))
  }
  if (certificates.clients !== undefined) {
    const credentialID = options.clientCertificateCredentialID
    authenticators.push(new X509Authenticator(certificates.clients, credentialID))
  }

  const problems = new RateLimitedLog(log)
  const turns = new Turns(deps.reviewMetrics, problems)
  const reviews = tokenReviews(options, deps, turns)
  const tokens = new LocalTokens(options, deps, reviews)
  const known = new TokenUnion([tokens.authenticator, reviews])
  authenticators.push(new BearerTokenAuthenticator(known), new WebSocketProtocolAuthenticator(known))
  const anonymous = new AnonymousFallback(new UnionAuthenticator(authenticators), tokens.issuers.anonymous)
  tokens.issuers.onAnonymous = (rule) => anonymous.replace(rule)
  return {
    authenticator: anonymous,
    impersonation: new ImpersonationAuthorizer(deps.reviews, turns.impersonation, now),
    clientAuthorities: certificates.files().length === 0 ? undefined : certificates,
    reloadables: tokens.reloadables,
    close: () => {
      tokens.issuers.close()
      problems.close()
    },
  }
}

/** The tokens that are verified here, behind one cache. */
class LocalTokens {
  readonly authenticator: TokenCache
  readonly issuers: IssuerFiles
  readonly reloadables: Reloadable[] = []

  /** @param reviews says whether the apiserver knows a token */
  constructor(
    options: AuthenticationOptions,
    { log, now }: AuthenticationDependencies,
    reviews: TokenAuthenticator,
  ) {
    const all: TokenAuthenticator[] = []
    const { tokenAuthFile } = options
    if (tokenAuthFile !== undefined) {
      const flag = '--token-auth-file'
      const read = () =>
        parseTokenFile(readConfigFile(tokenAuthFile, flag), `${flag}: ${tokenAuthFile}`, (message) =>
          log.warn(message),
        )
      const tokenFile = new TokenFileAuthenticator(read())
      all.push(tokenFile)
      this.#watch({
        name: 'token-auth-file',
        files: () => [tokenAuthFile],
        reload: () => tokenFile.replace(read()),
      })
    }
    this.issuers = new IssuerFiles(options, { reviews, log, now })
    all.push(this.issuers.authenticator)
    for (const part of this.issuers.reloadables) this.#watch(part)
    this.authenticator = new TokenCache(new TokenUnion(all), {
      successTTL: LOCAL_SUCCESS_TTL,
      failureTTL: LOCAL_FAILURE_TTL,
      maxEntries: TOKEN_CACHE_ENTRIES,
      now,
    })
  }

  /** What was remembered goes with the file that it came from. */
  #watch(part: Reloadable): void {
    this.reloadables.push({
      name: part.name,
      files: () => part.files(),
      reload: async () => {
        await part.reload()
        this.authenticator.clear()
      },
    })
  }
}

function tokenReviews(
  { tokenWebhookCacheTTL, bootstrapTokens }: AuthenticationOptions,
  { reviews, bare, log, now }: AuthenticationDependencies,
  turns: Turns,
): TokenAuthenticator {
  const asking = new ReviewFallback(
    new TokenReviewAuthenticator(reviews),
    new SelfSubjectReviewAuthenticator(bare),
    now,
    (reason) => log.warn({ reason }, 'cannot create TokenReviews: asking with SelfSubjectReviews instead'),
  )
  const cached = new TokenCache(new ReviewsInTurn(asking, turns), {
    successTTL: tokenWebhookCacheTTL,
    failureTTL: tokenWebhookCacheTTL,
    maxEntries: TOKEN_CACHE_ENTRIES,
    now,
  })
  if (bootstrapTokens) return cached
  return new WithoutBootstrapTokens(cached, () =>
    log.warn('a bootstrap token was refused: --enable-bootstrap-token-auth is not set'),
  )
}
