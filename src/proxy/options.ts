import type { DeliveryOptions } from '../audit/backend/delivery-options.js'
import type { ConfiguredBackend } from '../audit/backend/plugin.js'
import type { CaptureOptions } from '../audit/capture/options.js'
import type { SinkOptions } from '../audit/sink/options.js'
import type { AuthenticationOptions } from '../authentication/options.js'
import type { ServingOptions } from '../server/options.js'
import type { SessionRecordingOptions } from '../sessions/options.js'
import type { StatusOptions } from '../server/status-options.js'
import type { UpstreamOptions } from '../upstream/options.js'
import type { ShutdownOptions } from './shutdown-options.js'

/** What the path of requests is made of. */
export interface RequestPathOptions {
  readonly serving: ServingOptions
  readonly authentication: AuthenticationOptions
  readonly upstream: UpstreamOptions
  /** --audit-policy-file; undefined: nothing is recorded. */
  readonly policyFile: string | undefined
  readonly capture: CaptureOptions
  /** undefined: there are no AuditSinks. */
  readonly sinks: (SinkOptions & { readonly webhook: DeliveryOptions }) | undefined
  /** undefined: no sessions are recorded. */
  readonly sessions: SessionRecordingOptions | undefined
  readonly shutdown: ShutdownOptions
}

/** What the proxy is made of, in however many processes. */
export interface ProxyOptions extends RequestPathOptions {
  readonly backends: readonly ConfiguredBackend[]
  readonly status: StatusOptions
}
