import { STATUS_CODES } from 'node:http'
import { headerBytes } from '../request/client-headers.js'
import type { Exchange } from './exchange.js'

/** Seconds after which a client is to try again, hopefully somewhere else. */
const RETRY_AFTER = 5
const MESSAGE = 'The apiserver is shutting down, please try again later.\n'
/** Probes and metrics go on. */
const EXEMPT_PATHS = ['/readyz', '/livez', '/healthz', '/metrics']

/** Whether a request is served all the same (k8s.io/apiserver/pkg/server/filters/with_retry_after.go isRequestExemptFromRetryAfter). */
export function isExemptFromRetryAfter({ headers, target }: Exchange): boolean {
  if (headers.get('user-agent')?.startsWith('kube-apiserver/') === true) return true
  return EXEMPT_PATHS.some((prefix) => target.path.startsWith(prefix))
}

/**
 * Answers a request that comes while the last ones before it are finished, and ends its connection (withRetryAfter). As
 * with kube-apiserver this is no Status, and leaves no event: nobody has asked yet whose request it is.
 */
export function sendRetryAfter({ res, auditID }: Exchange): void {
  res.shouldKeepAlive = false
  res.writeHead(429, STATUS_CODES[429] ?? '', [
    ...['Audit-Id', headerBytes(auditID), 'Content-Type', 'text/plain; charset=utf-8'],
    ...['Retry-After', String(RETRY_AFTER), 'X-Content-Type-Options', 'nosniff'],
    ...['Content-Length', String(Buffer.byteLength(MESSAGE))],
  ])
  res.end(MESSAGE)
}
