import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import type { Issued } from '../support/pki.js'
import { StandIn, type Seen } from '../support/stand-in.js'
import { bytesOf, exactly, readRecording, type Row } from './recording.js'

/** The recordings lie beside the sources of this test. */
const HERE = fileURLToPath(new URL('../../../test/conformance/', import.meta.url))

const TOKENS = {
  admintoken: { username: 'token-admin', uid: 'uid-ta', groups: ['system:masters', 'system:authenticated'] },
  bobtoken: { username: 'bob', uid: 'uid-bob', groups: ['dev', 'viewers', 'system:authenticated'] },
}

const PEOPLE: Record<string, [cn: string, ...o: string[]]> = {
  admin: ['kubernetes-admin', 'system:masters'],
  alice: ['alice', 'dev', 'qa'],
  both: ['alice', 'dev', 'qa'],
  node: ['system:node:node-1', 'system:nodes'],
  kproxy: ['system:kube-proxy', 'system:node-proxier'],
  kcm: ['system:kube-controller-manager'],
}

interface Replayed {
  readonly status: number
  readonly auditID: string | undefined
  readonly body: Buffer
}

for (const name of ['sample', 'request-response', 'on-premises']) {
  await t.test(`events equal to kube-apiserver's own, policy ${name}`, async (t) => {
    const rows = readRecording(`${HERE}${name}.jsonl.gz`)
    const byID = new Map(rows.map((row) => [row.auditID, row]))
    const standIn = await StandIn.start({
      policy: readFileSync(`${HERE}${name}.yaml`, 'utf8'),
      tokens: TOKENS,
      flags: ['--audit-redact=false'],
      upstream: (req, res) => {
        const row = byID.get(String(req.headers['audit-id']))
        if (row === undefined) return void res.writeHead(404).end()
        const headers = { ...row.response.headers }
        for (const hop of ['connection', 'transfer-encoding', 'keep-alive']) delete headers[hop]
        res.writeHead(row.response.status, headers)
        const body = row.response.body && bytesOf(row.response.body)
        if (/abort/.test(row.name)) return void res.write(body)
        // The body of the request is read so that it can be compared.
        return void req.resume().on('end', () => res.end(req.method === 'HEAD' ? undefined : body))
      },
    })
    t.teardown(() => standIn.stop())
    const people = new Map<string, Issued>()
    for (const [who, [cn, ...o]] of Object.entries(PEOPLE))
      people.set(who, standIn.client({ name: who, cn, o }))

    const replayed = new Map<string, Replayed>()
    const seen = new Map<string, Seen>()
    for (const row of rows) {
      const before = standIn.seen.length
      replayed.set(row.auditID, await replay(standIn, row, people.get(row.as)))
      const upstream = standIn.seen[before]
      if (upstream !== undefined) seen.set(row.auditID, upstream)
    }
    const logged = await waitForEvents(standIn.auditLog, (events) => {
      const found = byAuditID(events)
      const whole = (row: Row): boolean => (found.get(row.auditID)?.length ?? 0) >= row.events.length
      return rows.every(whole) ? found : undefined
    })
    t.equal(rows.length, 123)
    for (const row of rows) {
      await t.test(row.name, async (t) => {
        compareAnswer(t, row, replayed.get(row.auditID) as Replayed)
        compareUpstream(t, row, seen.get(row.auditID))
        compareEvents(t, row, logged.get(row.auditID) ?? [])
      })
    }
  })
}

async function replay(standIn: StandIn, row: Row, who: Issued | undefined): Promise<Replayed> {
  const req = https.request({
    ...standIn.as(who ?? 'nobody'),
    agent: false,
    method: row.request.method,
    path: row.request.path,
    headers: { ...row.request.headers, 'audit-id': row.auditID },
  })
  req.end(row.request.body && bytesOf(row.request.body))
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  if (/abort/.test(row.name)) {
    await once(res, 'data')
    req.destroy()
  } else for await (const chunk of res) chunks.push(chunk as Buffer)
  return {
    status: res.statusCode ?? 0,
    auditID: res.headers['audit-id'] as string | undefined,
    body: Buffer.concat(chunks),
  }
}

function compareAnswer(t: Test, row: Row, got: Replayed): void {
  t.equal(got.status, row.response.status, 'the status reaches the client')
  t.equal(got.auditID, row.auditID, 'Audit-Id is returned')
  const body = row.response.body && bytesOf(row.response.body)
  if (body !== undefined && !/abort/.test(row.name))
    t.ok(got.body.equals(body), 'the body reaches the client')
}

function compareUpstream(t: Test, row: Row, seen: Seen | undefined): void {
  if (row.response.status === 401) {
    t.equal(seen, undefined, 'a bad credential goes nowhere')
    return
  }
  t.equal(seen?.url, row.request.path, 'path and query go upstream as they were')
  const user = row.events[0]?.user.username
  if (PEOPLE[row.as] === undefined) t.equal(seen?.headers['x-remote-user'], undefined)
  else if (user !== undefined) t.equal(seen?.headers['x-remote-user'], user, 'the identity is asserted')
  t.equal(seen?.peer, PEOPLE[row.as] === undefined ? undefined : 'front-proxy-client')
}

function compareEvents(t: Test, row: Row, events: readonly LoggedEvent[]): void {
  // kube-apiserver 1.20 cannot encode a patch in YAML and loses its second event; it is not lost here.
  const lost = row.events.length === 1 && row.events[0]?.stage === 'RequestReceived'
  if (lost) t.equal(events.at(-1)?.stage, 'ResponseComplete', 'the event that kube-apiserver lost')
  else t.strictSame(stages(events), stages(row.events), 'stages')
  for (const native of row.events) {
    const ours = events.find((e) => e.stage === native.stage)
    if (ours === undefined) continue
    t.strictSame(essence(ours, row), essence(native, row), native.stage)
    compareBodies(t, row, ours, native)
  }
}

function stages(events: readonly LoggedEvent[]): string[] {
  return events.map((e) => e.stage)
}

/** Everything that must be equal but for the bodies, whose rules are their own. */
function essence(e: LoggedEvent, row: Row): Record<string, unknown> {
  // 1.20's words for the end of a watch, and no message or details of a Status; nobody sees the body of a HEAD.
  const early = e.responseStatus?.message === 'Connection closed early'
  const shown = !early && row.request.method !== 'HEAD'
  return {
    kind: e.kind,
    apiVersion: e.apiVersion,
    level: e.level,
    auditID: e.auditID,
    requestURI: e.requestURI,
    verb: e.verb,
    user: { ...e.user, extra: undefined },
    impersonatedUser: e.impersonatedUser,
    sourceIPs: e.sourceIPs,
    userAgent: e.userAgent,
    objectRef: e.objectRef,
    code: e.responseStatus?.code,
    status: shown ? e.responseStatus?.status : undefined,
    reason: shown ? e.responseStatus?.reason : undefined,
  }
}

function compareBodies(t: Test, row: Row, ours: LoggedEvent, native: LoggedEvent): void {
  const level = native.level
  const received = native.stage === 'RequestReceived'
  if (received || level === 'Metadata') t.equal(ours.requestObject, undefined)
  else if (native.requestObject !== undefined) {
    // What the client sent, or kube-apiserver's rendering of it, which has its defaults filled in.
    const sent = row.request.body && exactly(bytesOf(row.request.body).toString())
    const got = exactly(JSON.stringify(ours.requestObject))
    if (sent !== undefined) t.same(got, sent, 'requestObject is what the client sent')
    else t.ok(within(got, native.requestObject), 'requestObject is within what kube-apiserver shows')
  }
  if (level !== 'RequestResponse') t.equal(ours.responseObject, undefined)
  else if (
    native.responseObject !== undefined &&
    native.objectRef !== undefined &&
    row.request.method !== 'HEAD'
  ) {
    t.same(plain(ours.responseObject), plain(native.responseObject), 'responseObject')
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

/** Without `creationTimestamp: null`, which some versions print and some do not. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), function (this: unknown, key, v: unknown) {
    return key === 'creationTimestamp' && v === null ? undefined : v
  })
}
