import type { TLSSocket } from 'node:tls'
import type { Authenticated } from '../request/authenticated.js'
import type { ObjectReference } from '../audit/event.js'
import type { AuditContext, RequestAttributes } from '../audit/context.js'
import type { Impersonation } from '../authentication/impersonation/headers.js'
import { auditIDOf } from '../request/audit-id.js'
import type { UserInfo } from '../request/user-info.js'
import type { ClientHeaders } from '../request/client-headers.js'
import type { InboundRequest, InboundResponse, InboundUpgrade } from '../request/inbound.js'
import { isLongRunning } from '../request/long-running.js'
import { sourceIPs } from '../request/source-ips.js'
import { truncateUserAgent } from '../request/user-agent.js'
import type { RequestInfo } from '../request/request-info.js'
import type { RequestTarget } from '../request/request-target.js'
import type { Forwarding } from '../upstream/response-pump.js'
import type { Stoppable } from './in-flight.js'
import type { StatusError } from './status-error.js'
import type { RecordedSession } from '../sessions/recording.js'
import type { SessionRequest } from '../sessions/session-request.js'

/** A request as far as it could be understood, and what the handler learns of it on its way. */
export class Exchange implements Stoppable {
  readonly auditID: string
  /** What the client's own Audit-ID was, where it was replaced. */
  readonly replacedAuditID: string | undefined
  readonly peer: string
  /** Whether it has an event at stage ResponseStarted. */
  readonly longRunning: boolean
  /** True once its connection was handed over to another protocol. */
  switched = false
  authenticated: Authenticated | undefined
  /** Set where the proxy itself impersonates: whom. */
  impersonated: UserInfo | undefined
  /** Set where the apiserver itself decides whether the request may act as someone else, and where the proxy has said yes. */
  impersonation: Impersonation | undefined
  /** Whether the policy was asked how the request is recorded. */
  evaluated = false
  /** Undefined until the policy has said that the request is audited, and where it is not. */
  audit: AuditContext | undefined
  /** Of an exec or an attach that is recorded. */
  recording: RecordedSession | undefined
  #reference: Readonly<ObjectReference> | undefined
  #forwarding: Forwarding | undefined
  #stopped = false

  constructor(
    readonly req: InboundRequest,
    readonly res: InboundResponse,
    readonly upgrade: InboundUpgrade | undefined,
    readonly headers: ClientHeaders,
    readonly target: RequestTarget,
    readonly info: RequestInfo,
    /** Microseconds since the Unix epoch. */
    readonly receivedAt: number,
    /** Set where the request cannot be understood and is to be answered with this. */
    readonly refusal: StatusError | undefined,
  ) {
    const auditID = auditIDOf(headers)
    this.auditID = auditID.id
    this.replacedAuditID = auditID.replaced
    this.peer = req.socket.remoteAddress ?? ''
    this.longRunning = isLongRunning(info)
  }

  get endless(): boolean {
    return this.longRunning || this.switched
  }

  /** True once it was written upstream, or begun to be. */
  get sent(): boolean {
    return this.#forwarding?.sent === true
  }

  get watch(): boolean {
    return this.info.verb === 'watch'
  }

  /** Whether it is answered, by the apiserver itself, with a stream that may stay open for hours. */
  get streams(): boolean {
    return this.watch || this.info.subresource === 'log'
  }

  get socket(): TLSSocket {
    return this.req.socket as TLSSocket
  }

  get upgradeProtocol(): string | undefined {
    return this.upgrade?.protocol
  }

  get method(): string {
    return this.req.method ?? 'GET'
  }

  /** k8s.io/apiserver/pkg/audit/request.go NewEventFromRequest. */
  attributes(user: UserInfo): RequestAttributes {
    return {
      auditID: this.auditID,
      requestURI: this.target.requestURI,
      verb: this.info.verb,
      user,
      sourceIPs: sourceIPs(this.headers.get('x-forwarded-for'), this.headers.get('x-real-ip'), this.peer),
      userAgent: truncateUserAgent(this.headers.get('user-agent')),
      objectRef: this.objectRef,
      receivedAt: this.receivedAt,
    }
  }

  /** What a recording has to know of it. */
  sessionRequest(user: UserInfo): SessionRequest {
    const { auditID, sourceIPs, userAgent } = this.attributes(user)
    const { info, target } = this
    const impersonatedUser = this.impersonation?.target.username || undefined
    return { auditID, info, user, impersonatedUser, sourceIPs, userAgent, rawQuery: target.rawQuery }
  }

  /** The object that the URL names; undefined for a request without a resource. */
  get objectRef(): Readonly<ObjectReference> | undefined {
    const { info } = this
    if (!info.isResourceRequest) return undefined
    return (this.#reference ??= {
      resource: info.resource,
      namespace: info.namespace,
      name: info.name,
      apiGroup: info.apiGroup,
      apiVersion: info.apiVersion,
      subresource: info.subresource,
    })
  }

  /** From here on, stopping the exchange ends what is under way upstream. */
  follow(forwarding: Forwarding): void {
    this.#forwarding = forwarding
    if (this.#stopped) forwarding.end()
  }

  /** As Go's net/http does for every response while Shutdown is waiting. */
  closeConnection(): void {
    if (!this.res.headersSent) this.res.shouldKeepAlive = false
  }

  stop(): void {
    this.#stopped = true
    this.#forwarding?.end()
  }
}
