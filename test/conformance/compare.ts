import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import type { LoggedEvent } from '../support/audit-log.js'
import type { Seen } from '../support/stand-in.js'
import { bytesOf, exactly, type Row } from './recording.js'

/** What came out of the proxy for one row of a recording. */
export interface Replayed {
  readonly status: number
  readonly auditID: string | undefined
  readonly body: Buffer
}

const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id'

export function compareAnswer(t: Test, row: Row, got: Replayed): void {
  t.equal(got.status, row.response.status, 'the status reaches the client')
  t.equal(got.auditID, row.auditID, 'Audit-Id is returned')
  const body = row.response.body && bytesOf(row.response.body)
  if (body !== undefined && !/abort/.test(row.name))
    t.ok(got.body.equals(body), 'the body reaches the client')
}

/** @param asserted whether the row came with an identity that the proxy asserts */
export function compareUpstream(t: Test, row: Row, seen: Seen | undefined, asserted: boolean): void {
  const user = row.events[0]?.user.username
  if (row.events.length > 0 && user === undefined) {
    t.equal(seen, undefined, 'what is refused before its user is known goes nowhere')
    return
  }
  t.equal(seen?.url, row.request.path, 'path and query go upstream as they were')
  if (!asserted) t.equal(seen?.headers['x-remote-user'], undefined)
  else if (user !== undefined) t.equal(seen?.headers['x-remote-user'], user, 'the identity is asserted')
  t.equal(seen?.peer, asserted ? 'front-proxy-client' : undefined)
}

export function compareEvents(t: Test, row: Row, events: readonly LoggedEvent[]): void {
  // kube-apiserver 1.20 cannot encode a patch in YAML and loses its second event; it is not lost here.
  const lost = row.events.length === 1 && row.events[0]?.stage === 'RequestReceived'
  if (lost) t.equal(events.at(-1)?.stage, 'ResponseComplete', 'the event that kube-apiserver lost')
  else t.strictSame(stages(events), stages(row.events), 'stages')
  for (const native of row.events) {
    const ours = events.find((e) => e.stage === native.stage)
    if (ours === undefined) continue
    t.strictSame(essence(ours, native, row), essence(native, native, row), native.stage)
    compareBodies(t, row, ours, native)
  }
}

function stages(events: readonly LoggedEvent[]): string[] {
  return events.map((e) => e.stage)
}

/** Everything that must be equal but for the bodies, whose rules are their own. */
function essence(e: LoggedEvent, native: LoggedEvent, row: Row): Record<string, unknown> {
  // Nobody sees the body of a HEAD, and the server alone knows when a watch ended by itself.
  const early = native.responseStatus?.message === 'Connection closed early'
  const shown = !early && row.request.method !== 'HEAD'
  const status = shown ? e.responseStatus : undefined
  // 1.20 has no message and no details of a Status in its events.
  const told = native.responseStatus?.message !== undefined
  return {
    kind: e.kind,
    apiVersion: e.apiVersion,
    level: e.level,
    auditID: e.auditID,
    requestURI: e.requestURI,
    verb: e.verb,
    user: { ...e.user, extra: withoutCertificate(e.user.extra) },
    impersonatedUser: e.impersonatedUser,
    sourceIPs: e.sourceIPs,
    userAgent: e.userAgent,
    objectRef: e.objectRef,
    code: early ? undefined : e.responseStatus?.code,
    status: status?.status,
    reason: status?.reason,
    message: told ? status?.message : undefined,
    details: told ? status?.details : undefined,
  }
}

/** The extra attributes of a user but for the id of a certificate: the recorded one is not at hand. */
function withoutCertificate(extra: Record<string, string[]> | undefined): object {
  const { [CREDENTIAL_ID]: id, ...rest } = extra ?? {}
  return id === undefined || id[0]?.startsWith('X509SHA256=') === true
    ? rest
    : { ...rest, [CREDENTIAL_ID]: id }
}

function compareBodies(t: Test, row: Row, ours: LoggedEvent, native: LoggedEvent): void {
  const level = native.level
  const received = native.stage === 'RequestReceived'
  if (received || level === 'Metadata') t.equal(ours.requestObject, undefined)
  else if (native.requestObject !== undefined) {
    // What the client sent, or kube-apiserver's rendering of it, which has its defaults filled in.
    const sent = row.request.body && exactly(bytesOf(row.request.body).toString())
    const got = exactly(JSON.stringify(ours.requestObject))
    if (sent === undefined) {
      t.ok(within(got, native.requestObject), 'requestObject is within what kube-apiserver shows')
    } else if (!isDeepStrictEqual(got, sent)) {
      t.same(
        got,
        native.requestObject,
        'requestObject is what the client sent, or what kube-apiserver kept of it',
      )
    }
  }
  if (level !== 'RequestResponse') t.equal(ours.responseObject, undefined)
  else if (native.responseObject !== undefined && row.request.method !== 'HEAD') {
    const encoded = row.response.headers['content-type']?.includes('protobuf') === true
    t.same(plain(ours.responseObject, encoded), plain(native.responseObject, encoded), 'responseObject')
  }
}

/** Whether everything in `a` is in `b` as well. */
function within(a: unknown, b: unknown): boolean {
  if (a === null) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((x, i) => within(x, b[i]))
  if (typeof a !== 'object') return a === b
  if (typeof b !== 'object' || b === null) return false
  return Object.entries(a).every(
    ([key, value]) => key === 'creationTimestamp' || within(value, (b as Record<string, unknown>)[key]),
  )
}

/** Without `creationTimestamp: null`, which some versions print and some do not. Protobuf has no null lists. */
function plain(value: unknown, wasProtobuf: boolean): unknown {
  return JSON.parse(JSON.stringify(value ?? null), function (this: unknown, key, v: unknown) {
    if (wasProtobuf && key === 'items' && v === null) return []
    return key === 'creationTimestamp' && v === null ? undefined : v
  })
}
