import type { ServerResponse } from 'node:http'
import { statusBody, type StatusError } from './status.js'

/** Answers with a Status of the proxy's own, unless the response has begun: then all that is left is to cut it off. */
export function answer(res: ServerResponse, auditID: string, error: StatusError): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  const body = statusBody(error)
  res.writeHead(error.code, {
    'Audit-Id': auditID,
    'Cache-Control': 'no-cache, private',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...(error.retryAfterSeconds === undefined ? {} : { 'Retry-After': error.retryAfterSeconds }),
  })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}
