import { STATUS_CODES } from 'node:http'
import { headerBytes } from '../request/client-headers.js'
import type { InboundResponse } from '../request/inbound.js'
import { statusBody, type StatusError } from './status-error.js'

/** Answers with a Status of the proxy's own, unless the response has begun: then all that is left is to cut it off. */
export function answer(res: InboundResponse, auditID: string, error: StatusError): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  const body = statusBody(error)
  const headers = [
    ...[
      'Audit-Id',
      headerBytes(auditID),
      'Cache-Control',
      'no-cache, private',
      'Content-Type',
      'application/json',
    ],
    ...['Content-Length', String(Buffer.byteLength(body))],
  ]
  if (error.retryAfterSeconds !== undefined) headers.push('Retry-After', String(error.retryAfterSeconds))
  res.writeHead(error.code, STATUS_CODES[error.code] ?? '', headers)
  // Neither protocol sends it where HEAD was asked.
  res.end(body)
}
