import type { Logger } from 'pino'
import { ABORTED, OUTCOME, UNKNOWN } from '../audit/annotations.js'
import type { AuditContext } from '../audit/context.js'
import { escapeJSON } from '../audit/escape-json.js'
import { errorMessage } from '../errors.js'
import type { RecordedSession } from '../sessions/recording.js'
import type { Outcome } from '../upstream/response-pump.js'
import { answer } from './answer.js'
import type { Exchange } from './exchange.js'
import type { ResponseAudit } from './response-audit.js'
import * as status from './status-error.js'

/**
 * The end of a request that was on its way upstream: its last event, then the end of its answer. In the blocking modes the
 * client so has no answer whole whose event is not stored; and what went upstream and has no answer is never said to have
 * failed without saying that this is not known.
 *
 * @param context.blocks whether answers wait for events
 */
export async function conclude(
  exchange: Exchange,
  outcome: Outcome,
  observer: ResponseAudit | undefined,
  context: { readonly log: Logger; readonly blocks: boolean },
): Promise<void> {
  const { log, blocks } = context
  const { res, audit, auditID } = exchange
  if (exchange.recording !== undefined) await endRecording(exchange, exchange.recording, outcome)
  const whole = outcome.kind === 'complete'
  const started = observer?.finish({ request: !whole || outcome.requestComplete, response: whole })
  // Where no answer waits for its event, none waits until the bodies in it are read.
  const ended = outcome.kind === 'complete' && started instanceof Promise && !blocks
  if (ended) res.end(outcome.last)
  if (started instanceof Promise) await started
  switch (outcome.kind) {
    case 'complete': {
      const stored = audit?.responseComplete()
      if (stored instanceof Promise) await stored
      if (!ended) res.end(outcome.last)
      return
    }
    case 'client-gone':
      // That is how a watch ends.
      if (!exchange.longRunning || !outcome.started) audit?.annotate({ [ABORTED]: 'by the client' })
      if (!outcome.started) {
        if (exchange.sent) audit?.annotate({ [OUTCOME]: UNKNOWN })
        if (exchange.longRunning) await audit?.closedEarly()
      }
      await audit?.responseComplete()
      return
    case 'request-broken':
      if (!outcome.started) return answerAborted(exchange, 'by the client', status.UNEXPECTED_EOF)
      audit?.annotate({ [ABORTED]: 'by the client' })
      await audit?.responseComplete()
      res.destroy()
      return
    case 'upstream-gone':
      log.warn({ auditID, reason: errorMessage(outcome.error) }, 'the upstream broke off')
      audit?.annotate({ [ABORTED]: 'by the upstream' })
      await audit?.responseComplete()
      res.destroy()
      return
    case 'unanswered': {
      const reason = errorMessage(outcome.error)
      if (exchange.sent) {
        log.error({ auditID, reason }, 'the upstream gave no answer')
        const { by, message } = whyUnanswered(outcome.error)
        return answerAborted(exchange, by, status.outcomeUnknown(message))
      }
      log.error({ auditID, reason }, 'the upstream is unreachable')
      return answerAudited(exchange, status.serviceUnavailable('the apiserver is unreachable'))
    }
    case 'late':
      log.error({ auditID }, 'the upstream did not answer in time')
      return answerAborted(
        exchange,
        'by the proxy, which had no answer in time',
        status.timeout(exchange.sent),
      )
    case 'ended': {
      const by = 'by the proxy, which is shutting down'
      if (!outcome.started) {
        const message = 'the proxy is shutting down'
        const error = exchange.sent ? status.outcomeUnknown(message) : status.serviceUnavailable(message)
        return answerAborted(exchange, by, error)
      }
      audit?.annotate({ [ABORTED]: by })
      await audit?.responseComplete()
      // A stream of unknown length may end here; a body that announced its length must be seen to be cut off.
      if (exchange.endless && outcome.open) res.end()
      else res.destroy()
    }
  }
}

/** The session is on disk before its last event says so. */
async function endRecording(
  { audit, switched }: Exchange,
  recording: RecordedSession,
  { kind }: Outcome,
): Promise<void> {
  const annotations = await recording.end(SESSION_ENDS[kind])
  if (switched) audit?.annotate(annotations)
}

/** Why a session is over that did not say so itself. */
const SESSION_ENDS: Readonly<Record<Outcome['kind'], string>> = {
  complete: 'the connection has ended',
  'client-gone': 'the client has gone',
  'request-broken': 'the client broke off',
  'upstream-gone': 'the upstream broke off',
  unanswered: 'the upstream gave no answer',
  late: 'the upstream did not answer in time',
  ended: 'the proxy is shutting down',
}

/** An error of the proxy's own in place of the upstream's answer. */
export async function answerAudited(exchange: Exchange, error: status.StatusError): Promise<void> {
  const { audit } = exchange
  if (audit !== undefined) {
    describeAnswer(audit, error)
    if (exchange.longRunning) await audit.responseStarted()
    await audit.responseComplete()
  }
  answer(exchange.res, exchange.auditID, error)
}

/** As answerAudited, for a request that somebody broke off. What was sent may have been carried out all the same. */
async function answerAborted(exchange: Exchange, by: string, error: status.StatusError): Promise<void> {
  exchange.audit?.annotate({ [ABORTED]: by, ...(exchange.sent && { [OUTCOME]: UNKNOWN }) })
  await answerAudited(exchange, error)
}

/** What an event says of an answer of the proxy's own. */
export function describeAnswer(audit: AuditContext, error: status.StatusError): void {
  audit.setStatus(status.responseStatusOf(error))
  if (audit.config.level === 'RequestResponse')
    audit.setResponseBody({ json: escapeJSON(status.statusJSON(error)) })
}

/** What undici and node:http call an answer whose head is too large. */
const TOO_LARGE = new Set(['UND_ERR_HEADERS_OVERFLOW', 'HPE_HEADER_OVERFLOW'])

/** Who ended a request that was sent and has no answer, for its event; and what its client is told. */
function whyUnanswered(error: Error): { readonly by: string; readonly message: string } {
  if (TOO_LARGE.has((error as NodeJS.ErrnoException).code ?? ''))
    return {
      by: 'by the proxy, to which the head of the answer was too large',
      message: "the head of the apiserver's answer is too large",
    }
  return { by: 'by the upstream', message: 'the apiserver did not answer' }
}
