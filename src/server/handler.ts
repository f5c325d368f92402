import type { Logger } from 'pino'
import { ABORTED } from '../audit/annotations.js'
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
import type { UserInfo } from '../request/user-info.js'
import { ImpersonationAuthorizer } from '../authentication/impersonation/authorizer.js'
import { readImpersonation, withOriginalUser } from '../authentication/impersonation/headers.js'
import { requestAttributes } from '../authentication/impersonation/request-attributes.js'
import { errorMessage } from '../errors.js'
import type { InboundRequest, InboundResponse, InboundUpgrade } from '../request/inbound.js'
import type { IdentityHeaders } from '../request/identity-headers.js'
import { forward, type ForwardRequest } from '../upstream/forward.js'
import { upstreamHeaders } from '../upstream/request-headers.js'
import type { Outcome } from '../upstream/response-pump.js'
import type { ReviewClient } from '../cluster/reviews.js'
import type { SessionRecorder } from '../sessions/recorder.js'
import { tunnel } from '../upstream/tunnel.js'
import type { Route, Upstream } from '../upstream/upstream.js'
import { answer } from './answer.js'
import type { Exchange } from './exchange.js'
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
  /** For the SubjectAccessReviews of users who impersonate, where the proxy itself impersonates. */
  readonly reviews: ReviewClient
  readonly inFlight: InFlight
  /** Undefined where no sessions are recorded. */
  readonly sessions: SessionRecorder | undefined
  readonly log: Logger
  /** Counts a request by the level that the policy gave it. */
  observeLevel(level: Level): void
  /** Counts a request that was refused because its event could not be stored. */
  observeRejected(): void
}

/**
 * What happens to a request, from top to bottom: who is it, what does it ask, what does the policy say, then upstream and
 * back, with an audit event at each stage. The order is that of k8s.io/apiserver/pkg/server/config.go
 * DefaultBuildHandlerChain.
 */
export class RequestHandler {
  readonly #impersonation: ImpersonationAuthorizer

  readonly #deps: HandlerDependencies

  constructor(deps: HandlerDependencies) {
    this.#deps = deps
    this.#impersonation = new ImpersonationAuthorizer(deps.reviews)
  }

  /** Serves one request. Whatever goes wrong ends this request alone. */
  readonly handle = (req: InboundRequest, res: InboundResponse, upgrade?: InboundUpgrade): void => {
    const { inFlight } = this.#deps
    res.on('error', ignoreLateError)
    const exchange = understand(req, res, upgrade, this.#deps.identityHeaders, this.#deps.recorder.now())
    if (inFlight.turningAway && exchange.refusal === undefined && !isExemptFromRetryAfter(exchange)) {
      sendRetryAfter(exchange)
      return
    }
    inFlight.add(exchange)
    void this.#run(exchange)
  }

  async #run(exchange: Exchange): Promise<void> {
    try {
      await this.#serve(exchange)
    } catch (err) {
      await this.#panic(exchange, err)
    } finally {
      exchange.audit?.end()
      this.#deps.inFlight.delete(exchange)
    }
  }

  async #serve(exchange: Exchange): Promise<void> {
    if (exchange.refusal !== undefined) return this.#refuse(exchange, exchange.refusal)
    let authenticated: Authenticated | undefined
    try {
      const found = this.#deps.authenticator.authenticate(exchange)
      authenticated = found instanceof Promise ? await found : found
    } catch (err) {
      return this.#refuse(exchange, this.#whyUnauthenticated(exchange, err))
    }
    if (authenticated === undefined) return this.#refuse(exchange, status.UNAUTHORIZED)
    exchange.authenticated = authenticated

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
    const { policy, recorder } = this.#deps
    const user = exchange.authenticated?.user
    const config = policy.evaluate(user, exchange.info)
    this.#deps.observeLevel(config.level)
    exchange.evaluated = true
    if (config.level === 'None') return undefined
    exchange.audit = new AuditContext(recorder, config, exchange.attributes(user ?? NOBODY))
    return exchange.audit
  }

  /** A bug of ours, met by one request: it gets its Panic event and a 500, and nobody else notices. */
  async #panic(exchange: Exchange, err: unknown): Promise<void> {
    this.#deps.log.error({ err, auditID: exchange.auditID }, 'panic while serving a request')
    try {
      if (!exchange.evaluated) this.#evaluateInPanic(exchange)
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
      const user = exchange.authenticated?.user ?? NOBODY
      exchange.audit = new AuditContext(this.#deps.recorder, WITHOUT_POLICY, exchange.attributes(user))
    }
  }

  /** What a request is answered whose user could not be found out. */
  #whyUnauthenticated({ auditID }: Exchange, err: unknown): status.StatusError {
    const { log } = this.#deps
    if (err instanceof InvalidCredential) {
      log.debug({ auditID, reason: err.message }, 'authentication failed')
      return status.UNAUTHORIZED
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
    const { upstream } = this.#deps
    let authenticated = from
    try {
      let impersonation = readImpersonation(exchange.headers)
      if (impersonation !== undefined && from.passage === 'asserted' && upstream.asserter.impersonates) {
        const attributes = requestAttributes(exchange.info, exchange.target)
        const user = await this.#impersonation.authorize(from.user, impersonation.asked, attributes)
        impersonation = { ...impersonation, target: withOriginalUser(user, from.user) }
        authenticated = { user: impersonation.target, passage: 'asserted' }
      } else if (impersonation !== undefined) {
        impersonation = await this.#impersonation.expect(impersonation)
      }
      exchange.impersonation = impersonation
      const route = upstream.route(authenticated)
      const taken = route instanceof Promise ? await route : route
      if (exchange.upgradeProtocol !== undefined)
        exchange.recording = await this.#deps.sessions?.begin(exchange.sessionRequest(from.user))
      await this.#forward(exchange, taken)
    } catch (err) {
      const error = statusFor(err)
      if (error === undefined) throw err
      await this.#answerAudited(exchange, error)
    }
  }

  async #forward(exchange: Exchange, route: Route): Promise<void> {
    const { req, res, headers, audit, longRunning } = exchange
    const observer = audit && new ResponseAudit(audit, this.#deps.captures, exchange)
    const request: ForwardRequest = {
      connections: route.connections,
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
      longRunning,
      mayShare: exchange.streams,
    }
    const { upgrade } = exchange
    const forwarding =
      upgrade?.protocol === undefined
        ? forward(req, res, request)
        : tunnel(req, res, upgrade, {
            ...request,
            protocol: upgrade.protocol,
            watcher: exchange.recording?.watcher,
            onSwitch: () => {
              exchange.switched = true
              if (this.#deps.inFlight.draining) exchange.stop()
            },
          })
    exchange.follow(forwarding)
    let outcome: Outcome
    try {
      outcome = await forwarding.outcome
    } catch (err) {
      observer?.discard()
      await exchange.recording?.end('the proxy failed')
      throw err
    }
    await this.#endRecording(exchange, outcome)
    await this.#conclude(exchange, outcome, observer)
  }

  /** The session is on disk before its last event says so. */
  async #endRecording({ audit, recording, switched }: Exchange, outcome: Outcome): Promise<void> {
    if (recording === undefined) return
    const annotations = await recording.end(SESSION_ENDS[outcome.kind])
    if (switched) audit?.annotate(annotations)
  }

  async #conclude(exchange: Exchange, outcome: Outcome, observer: ResponseAudit | undefined): Promise<void> {
    const { res, audit } = exchange
    const whole = outcome.kind === 'complete'
    const started = observer?.finish({ request: !whole || outcome.requestComplete, response: whole })
    if (started instanceof Promise) await started
    switch (outcome.kind) {
      case 'complete': {
        const stored = audit?.responseComplete()
        if (stored instanceof Promise) await stored
        res.end()
        return
      }
      case 'client-gone':
        // That is how a watch ends.
        if (!exchange.longRunning || !outcome.started) audit?.annotate({ [ABORTED]: 'by the client' })
        if (!outcome.started && exchange.longRunning) await audit?.closedEarly()
        await audit?.responseComplete()
        return
      case 'upstream-gone':
        this.#deps.log.warn(
          { auditID: exchange.auditID, reason: errorMessage(outcome.error) },
          'the upstream broke off',
        )
        audit?.annotate({ [ABORTED]: 'by the upstream' })
        await audit?.responseComplete()
        res.destroy()
        return
      case 'unreachable':
        this.#deps.log.error(
          { auditID: exchange.auditID, reason: errorMessage(outcome.error) },
          'the upstream is unreachable',
        )
        await this.#answerAudited(exchange, status.serviceUnavailable('the apiserver is unreachable'))
        return
      case 'ended':
        if (!outcome.started) {
          await this.#answerAudited(exchange, status.serviceUnavailable('the proxy is shutting down'))
          return
        }
        audit?.annotate({ [ABORTED]: 'by the proxy, which is shutting down' })
        await audit?.responseComplete()
        // A stream of unknown length may end here; a body that announced its length must be seen to be cut off.
        if (exchange.endless && outcome.open) res.end()
        else res.destroy()
    }
  }

  /** An error of the proxy's own in place of the upstream's answer. */
  async #answerAudited(exchange: Exchange, error: status.StatusError): Promise<void> {
    const { audit } = exchange
    if (audit !== undefined) {
      describeAnswer(audit, error)
      if (exchange.longRunning) await audit.responseStarted()
      await audit.responseComplete()
    }
    answer(exchange.res, exchange.auditID, error)
  }
}

/** Why a session is over that did not say so itself. */
const SESSION_ENDS: Readonly<Record<Outcome['kind'], string>> = {
  complete: 'the connection has ended',
  'client-gone': 'the client has gone',
  'upstream-gone': 'the upstream broke off',
  unreachable: 'the upstream is unreachable',
  ended: 'the proxy is shutting down',
}

/** How a request is recorded that the policy cannot be asked about. */
const WITHOUT_POLICY: AuditConfig = { level: 'Metadata', omitStages: new Set(), omitManagedFields: false }

/** The user of an event for which nobody was authenticated. */
const NOBODY: UserInfo = { username: '' }

function describeAnswer(audit: AuditContext, error: status.StatusError): void {
  audit.setStatus(status.responseStatusOf(error))
  if (audit.config.level === 'RequestResponse') audit.setResponseBody({ json: status.statusJSON(error) })
}

function ignoreLateError(): void {
  // The exchange hears of a broken connection from 'close'.
}
