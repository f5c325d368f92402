import { randomUUID } from 'node:crypto'
import type { ClientHeaders } from './client-headers.js'

/**
 * Bytes of an Audit-ID that is taken from a client. It is part of each of the request's events, and of the head of its
 * answer twice: the apiserver returns it, and so does the proxy. kube-apiserver takes what fits in its head of 1 MiB.
 */
export const MAX_AUDIT_ID = 16 << 10
/** Characters that are kept of one that is longer (k8s.io/apiserver/pkg/audit/context.go GetAuditIDTruncated). */
const KEPT = 64

export interface AuditID {
  readonly id: string
  /** What was too long in the client's own, in whose place `id` is; undefined where nothing was. */
  readonly replaced?: string
}

/**
 * The client's Audit-ID, or one that is made for it (k8s.io/apiserver/pkg/endpoints/filters/audit_init.go). One that is too
 * long is replaced rather than refused: the request is as good as any other, and its events say what became of the name.
 */
export function auditIDOf(headers: ClientHeaders): AuditID {
  const given = headers.get('audit-id')
  if (given === undefined || given === '') return { id: randomUUID() }
  const bytes = Buffer.byteLength(given)
  if (bytes <= MAX_AUDIT_ID) return { id: given }
  const beginning = given.slice(0, KEPT).replace(/[\ud800-\udbff]$/, '')
  return { id: randomUUID(), replaced: `${bytes} bytes that begin with ${beginning}` }
}
