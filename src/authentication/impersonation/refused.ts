import type { ResponseStatus } from '../../audit/event.js'
import { quote } from '../../go-quote.js'
import { type Forbidden, readForbidden } from '../forbidden-message.js'

/** What the upstream answered to a request with Impersonate-* headers. */
export interface ImpersonatedResponse {
  readonly status: ResponseStatus
  /**
   * Whether it has the headers of API priority and fairness (X-Kubernetes-PF-*), which stands behind the impersonation
   * filter and before authorization (k8s.io/apiserver/pkg/server/config.go DefaultBuildHandlerChain).
   */
  readonly prioritized: boolean
  /** Priority and fairness lets these pass unmarked, except for watches. */
  readonly longRunning: boolean
}

/**
 * Whether a response says that the user may not act as the one that was asked for, so that nobody acted as anybody.
 *
 * That is a 403 like that of authorization, which comes later and is about the one who is acted as. Two things tell them
 * apart, and neither is there for one version alone. What priority and fairness has marked was not refused before it: no
 * server behind the apiserver can undo that, whatever it answers. And the refusal says who may not do what, which is a
 * verb that begins with `impersonate`: no request has such a verb, because those of resources are Kubernetes' own, those
 * of paths are HTTP methods, which have no colon, and `impersonate` alone is for resources.
 *
 * All else in the message is the client's to choose: the path, resource, name and user that it asked for may hold the
 * words of a refusal, or quotes that seem to end one. So the message is not searched, but read from its beginning, where
 * resource and group are those of `details` (NewForbidden in k8s.io/apimachinery/pkg/api/errors makes both from the same)
 * and name and user are quoted, so that nothing in them ends them. Who is named last must not be the one who is acted as,
 * for that would be an aggregated apiserver's answer about the impersonation that it saw.
 *
 * What remains: a backend behind `.../proxy` of somebody who may impersonate can answer with these very words, and its
 * request is then recorded as its user's alone, with code 403. Where there is no Status to read (HEAD), the mark decides.
 *
 * @param requestor who asked; undefined where that is the proxy, whose name only the apiserver knows
 * @param target who was to be acted as
 */
export function refusesImpersonation(
  { status, prioritized, longRunning }: ImpersonatedResponse,
  requestor: string | undefined,
  target: string,
): boolean {
  if (status.code !== 403 || prioritized) return false
  if (status.message === undefined) return !longRunning
  const forbidden = readForbidden(status.message, status.details)
  if (forbidden === undefined || !isImpersonation(forbidden)) return false
  return requestor === target || forbidden.user !== quote(sanitize(target))
}

function isImpersonation({ verb, to }: Forbidden): boolean {
  return verb === 'impersonate' ? to === 'resource' : verb.startsWith('impersonate') && verb.includes(':')
}

/** What forbiddenMessage does against messages that look like HTML. */
export function sanitize(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
