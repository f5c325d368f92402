import { ClientHeaders } from '../request/client-headers.js'
import {
  hasBody,
  type InboundRequest,
  type InboundResponse,
  type InboundUpgrade,
} from '../request/inbound.js'
import type { IdentityHeaders } from '../request/identity-headers.js'
import { isLongRunning } from '../request/long-running.js'
import {
  newRequestInfo,
  nonResourceRequest,
  RequestInfoError,
  type RequestInfo,
} from '../request/request-info.js'
import { InvalidRequestTarget, parseRequestTarget, type RequestTarget } from '../request/request-target.js'
import { invalidTimeout } from '../request/timeout.js'
import { MAX_HEADER_FIELDS } from './admission.js'
import { Exchange } from './exchange.js'
import * as status from './status-error.js'

/**
 * Takes a request apart. One that cannot be understood has a refusal, with which it is answered later, so that it leaves
 * an event.
 *
 * @param receivedAt microseconds since the Unix epoch
 */
export function understand(
  req: InboundRequest,
  res: InboundResponse,
  upgrade: InboundUpgrade | undefined,
  identityHeaders: IdentityHeaders,
  receivedAt: number,
): Exchange {
  const headers = ClientHeaders.from(req.rawHeaders, identityHeaders)
  const refusal =
    req.rawHeaders.length > 2 * MAX_HEADER_FIELDS
      ? status.headersTooLarge()
      : unacceptable(headers, upgrade !== undefined && hasBody(req))
  if (headers.ambiguity !== undefined) res.shouldKeepAlive = false
  try {
    const target = parseRequestTarget(req.url ?? '')
    const info = newRequestInfo(req.method ?? 'GET', target)
    const error = refusal ?? unroutable(target) ?? untimely(target, info)
    return new Exchange(req, res, upgrade, headers, target, info, receivedAt, error)
  } catch (err) {
    const error =
      err instanceof RequestInfoError
        ? status.internalError(`failed to create RequestInfo: ${err.message}`)
        : err instanceof InvalidRequestTarget
          ? status.badRequest(err.message)
          : undefined
    if (error === undefined) throw err
    const [target, info] = unreadable(req)
    return new Exchange(req, res, upgrade, headers, target, info, receivedAt, refusal ?? error)
  }
}

/** Why a request goes no further, whoever asks for whatever. */
function unacceptable(headers: ClientHeaders, upgradeWithBody: boolean): status.StatusError | undefined {
  if (headers.ambiguity !== undefined) return status.badRequest(headers.ambiguity)
  if (headers.misnamed !== undefined) {
    return status.badRequest(`the Connection header must not name ${headers.misnamed}`)
  }
  if (upgradeWithBody) return status.badRequest('a request that asks for an upgrade must not have a body')
  return undefined
}

/** `*` is no path, and nothing that undici sends. In Go, net/http itself answers OPTIONS for it. */
function unroutable(target: RequestTarget): status.StatusError | undefined {
  return target.originForm === '*' ? status.badRequest('the request target * names nothing') : undefined
}

/** k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go: asked before anything is known of the user. */
function untimely(target: RequestTarget, info: RequestInfo): status.StatusError | undefined {
  if (target.rawQuery === '' || isLongRunning(info)) return undefined
  const error = invalidTimeout(target.rawQuery)
  return error === undefined ? undefined : status.badRequest(error)
}

/** Stands for the target of a request that cannot be taken apart: what was sent, about nothing in particular. */
function unreadable(req: InboundRequest): [RequestTarget, RequestInfo] {
  const raw = req.url ?? ''
  return [
    { path: raw, rawQuery: '', requestURI: raw, originForm: raw },
    nonResourceRequest(req.method ?? '', raw),
  ]
}
