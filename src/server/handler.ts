import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { OUTCOME, REPLACED_AUDIT_ID, UNKNOWN } from '../audit/annotations.js'
import type { AuditConfig } from '../audit/audit-config.js'
import { AuditContext, type EventRecorder } from '../audit/context.js'
import type { Captures } from '../audit/capture/body-capture.js'
import type { Level } from '../audit/event.js'
import type { Evaluator } from '../audit/policy/evaluate.js'
import {
  AuthenticationUnavailable,
  InvalidCredential,
  type Authenticator,
} from '../authentication/authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import { requestedTimeout } from '../request/timeout.js'
import { isAnonymous, type UserInfo } from '../request/user-info.js'
import type { ImpersonationAuthorizer } from '../authentication/impersonation/authorizer.js'
import { TooManyTokens } from '../authentication/review-turns.js'
import { readImpersonation, withOriginalUser } from '../authentication/impersonation/headers.js'
import { requestAttributes } from '../authentication/impersonation/request-attributes.js'
import type { InboundRequest, InboundResponse, InboundUpgrade } from '../request/inbound.js'
import type { IdentityHeaders } from '../request/identity-headers.js'
import { forward, type ForwardRequest } from '../upstream/forward.js'
import { upstreamHeaders } from '../upstream/request-headers.js'
import type { Forwarding, Outcome } from '../upstream/response-pump.js'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'
import { rewritingRefusals } from '../upstream/rewritten-refusal.js'
import type { SessionRecorder } from '../sessions/recorder.js'
import { tunnel } from '../upstream/tunnel.js'
import { systemTimers, type Timer } from '../timers.js'
import type { Route, Upstream } from '../upstream/upstream.js'
import type { Admission, Admitted } from './admission.js'
import { answer } from './answer.js'
import { answerAudited, conclude, describeAnswer } from './conclude.js'
import type { Exchange } from './exchange.js'
import { explainRefusal } from './proxy-refused.js'
import type { InFlight } from './in-flight.js'
import { statusFor } from './refusal.js'
import { isExemptFromRetryAfter, sendRetryAfter } from './retry-after.js'
import { ResponseAudit } from './response-audit.js'
import * as status from './status-error.js'
import { understand } from './understand.js'

export interface HandlerDependencies {
  readonly authenticator: Authenticator
  /** Headers that no client may send for itself. */
  readonly identityHeaders: IdentityHeaders
  readonly policy: Evaluator
  readonly recorder: EventRecorder
  readonly captures: Captures
  readonly upstream: Upstream
  /** For users who impersonate, where the proxy itself impersonates. */
  readonly impersonation: Pick<ImpersonationAuthorizer, 'authorize' | 'expect'>
  readonly inFlight: InFlight
  /** Milliseconds within which the apiserver answers requests that are not long-running. */
  readonly requestTimeout: number
  readonly admission: Admission
  /** Undefined where no sessions are recorded. */
  readonly sessions: SessionRecorder | undefined
  readonly log: Logger
  /** Counts a request by the level that the policy gave it. */
  observeLevel(level: Level): void
  /** Counts a request that was refused because its event could not be stored. */
  observeRejected(): void
  /** Counts a request that was refused because there was no room for it. */
  observeTurnedAway(): void
}

/** Milliseconds that the apiserver has beyond its own time, so that it is the apiserver who says that it is over. */
const LATENESS = 5000

/**
 * What happens to a request, from top to bottom: who is it, what does it ask, what does the policy say, then upstream and
 * back, with an audit event at each stage. The order is that of k8s.io/apiserver/pkg/server/config.go
 * DefaultBuildHandlerChain.
 */
export class RequestHandler {
  readonly #deps: HandlerDependencies

  constructor(deps: HandlerDependencies) {
    this.#deps = deps
  }

  /** Serves one request. Whatever goes wrong ends this request alone. */
  readonly handle = (req: InboundRequest, res: InboundResponse, upgrade?: InboundUpgrade): void => {
    const { inFlight } = this.#deps
    res.on('error', ignoreLateError)
    // Before anything is made of its headers.
    const admitted = this.#deps.admission.admit(req.socket, req.rawHeaders)
    if (admitted === undefined) {
      this.#deps.observeTurnedAway()
      res.shouldKeepAlive = false
      answer(res, randomUUID(), status.tooManyRequests())
      return
    }
    const exchange = understand(req, res, upgrade, this.#deps.identityHeaders, this.#deps.recorder.now())
    if (inFlight.turningAway && exchange.refusal === undefined && !isExemptFromRetryAfter(exchange)) {
      sendRetryAfter(exchange)
      admitted.release()
      return
    }
    inFlight.add(exchange)
    void this.#run(exchange, admitted)
  }

  async #run(exchange: Exchange, admitted: Admitted): Promise<void> {
    try {
      await this.#serve(exchange, admitted)
    } catch (err) {
      await this.#panic(exchange, err)
    } finally {
      exchange.audit?.end()
      this.#deps.inFlight.delete(exchange)
      admitted.release()
    }
  }

  async #serve(exchange: Exchange, admitted: Admitted): Promise<void> {
    if (exchange.refusal !== undefined) return this.#refuse(exchange, exchange.refusal)
    let authenticated: Authenticated | undefined
    try {
      const found = this.#deps.authenticator.authenticate(exchange)
      authenticated = found instanceof Promise ? await found : found
    } catch (err) {
      endStrangersConnection(exchange)
      return this.#refuse(exchange, this.#whyUnauthenticated(exchange, err))
    }
    if (authenticated === undefined) {
      endStrangersConnection(exchange)
      return this.#refuse(exchange, status.UNAUTHORIZED)
    }
    exchange.authenticated = authenticated
    if (isAnonymous(authenticated.user)) endStrangersConnection(exchange)
    else admitted.authenticated()

    const stored = this.#evaluate(exchange)?.requestReceived() ?? true
    if (!(stored instanceof Promise ? await stored : stored)) {
      this.#deps.observeRejected()
      answer(exchange.res, exchange.auditID, status.internalError('failed to store audit event'))
      return
    }
    await this.#proxy(exchange, authenticated)
  }

  /** Asks the policy how the request is recorded: its audit context, undefined where it has no events. */
  #evaluate(exchange: Exchange): AuditContext | undefined {
    const { policy } = this.#deps
    const user = exchange.authenticated?.user
    const config = policy.evaluate(user, exchange.info)
    this.#deps.observeLevel(config.level)
    exchange.evaluated = true
    if (config.level === 'None') return undefined
    return this.#audit(exchange, config, user ?? NOBODY)
  }

  #audit(exchange: Exchange, config: AuditConfig, user: UserInfo): AuditContext {
    const { replacedAuditID } = exchange
    const audit = new AuditContext(this.#deps.recorder, config, exchange.attributes(user))
    if (replacedAuditID !== undefined) audit.annotate({ [REPLACED_AUDIT_ID]: replacedAuditID })
    exchange.audit = audit
    return audit
  }

  /** A bug of ours, met by one request: it gets its Panic event and a 500, and nobody else notices. */
  async #panic(exchange: Exchange, err: unknown): Promise<void> {
    this.#deps.log.error({ err, auditID: exchange.auditID }, 'panic while serving a request')
    try {
      if (!exchange.evaluated) this.#evaluateInPanic(exchange)
      if (exchange.sent) exchange.audit?.annotate({ [OUTCOME]: UNKNOWN })
      await exchange.audit?.panic(err)
    } finally {
      answer(exchange.res, exchange.auditID, status.internalError('the proxy failed to serve the request'))
    }
  }

  /** Where the policy itself is what fails, the request has its event all the same. */
  #evaluateInPanic(exchange: Exchange): void {
    try {
      this.#evaluate(exchange)
    } catch {
      this.#audit(exchange, WITHOUT_POLICY, exchange.authenticated?.user ?? NOBODY)
    }
  }

  /** What a request is answered whose user could not be found out. */
  #whyUnauthenticated({ auditID }: Exchange, err: unknown): status.StatusError {
    const { log } = this.#deps
    if (err instanceof InvalidCredential) {
      log.debug({ auditID, reason: err.message }, 'authentication failed')
      return status.UNAUTHORIZED
    }
    if (err instanceof TooManyTokens) {
      log.debug({ auditID, reason: err.message }, 'cannot authenticate')
      return status.serviceUnavailable('the credential was not verified: too many others are being verified')
    }
    if (!(err instanceof AuthenticationUnavailable)) throw err
    log.error({ auditID, reason: err.message }, 'cannot authenticate')
    return status.serviceUnavailable('the credential could not be verified: the apiserver did not answer')
  }

  /** k8s.io/apiserver/pkg/endpoints/filters/authn_audit.go WithFailedAuthenticationAudit: one event, ResponseStarted. */
  async #refuse(exchange: Exchange, error: status.StatusError): Promise<void> {
    const audit = this.#evaluate(exchange)
    if (audit !== undefined) {
      describeAnswer(audit, error)
      await audit.responseStarted()
    }
    answer(exchange.res, exchange.auditID, error)
  }

  /** The request goes upstream, or is answered with the error that keeps it from going there. */
  async #proxy(exchange: Exchange, from: Authenticated): Promise<void> {
    const { upstream, impersonation: authorizer } = this.#deps
    let authenticated = from
    try {
      let impersonation = readImpersonation(exchange.headers)
      if (impersonation !== undefined && from.passage === 'asserted' && upstream.asserter.impersonates) {
        const attributes = requestAttributes(exchange.info, exchange.target)
        const user = await authorizer.authorize(from.user, impersonation.asked, attributes)
        impersonation = { ...impersonation, target: withOriginalUser(user, from.user) }
        authenticated = { user: impersonation.target, passage: 'asserted' }
      } else if (impersonation !== undefined) {
        impersonation = await authorizer.expect(impersonation)
      }
      exchange.impersonation = impersonation
      if (authenticated.passage === 'asserted' && upstream.asserter.impersonates) {
        exchange.impersonated = authenticated.user
      }
      const route = upstream.route(authenticated)
      const taken = route instanceof Promise ? await route : route
      if (exchange.upgradeProtocol !== undefined)
        exchange.recording = await this.#deps.sessions?.begin(exchange.sessionRequest(from.user))
      await this.#forward(exchange, taken)
    } catch (err) {
      const error = statusFor(err)
      if (error === undefined) throw err
      await answerAudited(exchange, error)
    }
  }

  async #forward(exchange: Exchange, route: Route): Promise<void> {
    const { req, res, headers, audit, longRunning, impersonated } = exchange
    const observer = audit && new ResponseAudit(audit, this.#deps.captures, exchange)
    const request: ForwardRequest = {
      connections: impersonated === undefined ? route.connections : explaining(route, impersonated),
      target: exchange.target.originForm,
      headers: upstreamHeaders(headers, {
        auditID: exchange.auditID,
        peer: exchange.peer,
        keepToken: route.keepToken,
        keepImpersonation: route.keepImpersonation,
        added: route.added,
      }),
      requestObserver: observer?.requestCapture,
      observer,
      auditID: exchange.auditID,
      method: exchange.method,
      bodyTimeout: longRunning ? 0 : this.#deps.requestTimeout + LATENESS,
      longRunning,
      mayShare: exchange.streams,
    }
    const { upgrade } = exchange
    const forwarding =
      upgrade?.protocol === undefined
        ? forward(req, res, request)
        : tunnel(res, upgrade, {
            ...request,
            protocol: upgrade.protocol,
            watcher: exchange.recording?.watcher,
            onSwitch: () => {
              exchange.switched = true
              if (this.#deps.inFlight.draining) exchange.stop()
            },
          })
    exchange.follow(forwarding)
    const expiry = this.#expire(exchange, forwarding)
    let outcome: Outcome
    try {
      outcome = await forwarding.outcome
    } catch (err) {
      observer?.discard()
      await exchange.recording?.end('the proxy failed')
      throw err
    } finally {
      expiry?.cancel()
    }
    const { log, recorder } = this.#deps
    await conclude(exchange, outcome, observer, { log, blocks: recorder.intake.blocks })
  }

  /**
   * Ends what the apiserver should have ended itself: k8s.io/apiserver/pkg/server/filters/timeout.go, with the time that
   * pkg/endpoints/filters/request_deadline.go allows.
   */
  #expire({ longRunning, target, receivedAt }: Exchange, forwarding: Forwarding): Timer | undefined {
    if (longRunning) return undefined
    const { recorder, requestTimeout } = this.#deps
    const allowed = Math.min(requestedTimeout(target.rawQuery) ?? Infinity, requestTimeout)
    const elapsed = (recorder.now() - receivedAt) / 1000
    return systemTimers.after(Math.max(Math.ceil(allowed + LATENESS - elapsed), 0), () => forwarding.expire())
  }
}

function explaining({ connections }: Route, user: UserInfo): UpstreamConnections {
  return rewritingRefusals(connections, (body) => explainRefusal(body, user))
}

/** How a request is recorded that the policy cannot be asked about. */
const WITHOUT_POLICY: AuditConfig = { level: 'Metadata', omitStages: new Set(), omitManagedFields: false }

/** The user of an event for which nobody was authenticated. */
const NOBODY: UserInfo = { username: '' }

/** k8s.io/apiserver/pkg/endpoints/filters/authentication.go withAuthentication: nobody keeps a session of HTTP/2 open without a name. */
function endStrangersConnection({ req, res }: Exchange): void {
  if (req.httpVersionMajor === 2) res.shouldKeepAlive = false
}

function ignoreLateError(): void {
  // The exchange hears of a broken connection from 'close'.
}
