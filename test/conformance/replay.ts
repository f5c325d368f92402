import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { byAuditID, waitForEvents } from '../support/audit-log.js'
import type { CertificateRequest, Issued } from '../support/pki.js'
import { StandIn, type Seen } from '../support/stand-in.js'
import { compareAnswer, compareEvents, compareUpstream, type Replayed } from './compare.js'
import { bytesOf, readRecording, type Row } from './recording.js'

/** The recordings lie beside the sources of this test. */
const HERE = fileURLToPath(new URL('../../../test/conformance/', import.meta.url))

const TOKENS = {
  admintoken: { username: 'token-admin', uid: 'uid-ta', groups: ['system:masters', 'system:authenticated'] },
  bobtoken: { username: 'bob', uid: 'uid-bob', groups: ['dev', 'viewers', 'system:authenticated'] },
}

const PEOPLE: Record<string, Pick<CertificateRequest, 'cn' | 'o' | 'uids'>> = {
  admin: { cn: 'kubernetes-admin', o: ['system:masters'] },
  alice: { cn: 'alice', o: ['dev', 'qa'] },
  both: { cn: 'alice', o: ['dev', 'qa'] },
  node: { cn: 'system:node:node-1', o: ['system:nodes'] },
  kproxy: { cn: 'system:kube-proxy', o: ['system:node-proxier'] },
  kcm: { cn: 'system:kube-controller-manager' },
  nocn: { cn: '', o: ['dev'] },
  ursula: { cn: 'ursula', o: ['dev'], uids: ['uid-ursula'] },
  twouids: { cn: 'twouids', o: ['dev'], uids: ['uid-1', 'uid-2'] },
}
const FRONT_PROXY = 'frontproxy'

export interface Recording {
  /** The file beside this one, without `.jsonl.gz`. */
  readonly name: string
  /** The policy beside this one, without `.yaml`. */
  readonly policy: string
  readonly rows: number
  /** Whether the recorded kube-apiserver has constrained impersonation. */
  readonly constrainedImpersonation?: boolean
}

/** Sends a recording's requests through the proxy and compares each with what kube-apiserver did with it. */
export async function replayRecording(
  t: Test,
  { name, policy, rows: count, constrainedImpersonation = false }: Recording,
): Promise<void> {
  const rows = readRecording(`${HERE}${name}.jsonl.gz`)
  t.equal(rows.length, count)
  const byID = new Map(rows.map((row) => [row.auditID, row]))
  const standIn = await StandIn.start({
    policy: readFileSync(`${HERE}${policy}.yaml`, 'utf8'),
    constrainedImpersonation,
    tokens: { ...TOKENS, ...tokensOf(rows) },
    flags: ['--audit-redact=false', '--requestheader-allowed-names=front-proxy-client'],
    fileFlags: ({ frontProxyCA }) => [`--requestheader-client-ca-file=${frontProxyCA.certFile}`],
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
  for (const [who, subject] of Object.entries(PEOPLE))
    people.set(who, standIn.client({ name: who, ...subject }))
  people.set(FRONT_PROXY, standIn.pki.read('front-proxy-client'))

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
  for (const row of rows) {
    await t.test(row.name, async (t) => {
      compareAnswer(t, row, replayed.get(row.auditID) as Replayed)
      compareUpstream(t, row, seen.get(row.auditID), people.has(row.as))
      compareEvents(t, row, logged.get(row.auditID) ?? [])
    })
  }
}

/** What a TokenReview said of the tokens in a recording. */
function tokensOf(rows: readonly Row[]): Record<string, object> {
  const tokens: Record<string, object> = {}
  for (const { request, tokenUser } of rows) {
    const token = /^bearer +(.+)$/i.exec(request.headers['authorization'] ?? '')?.[1]
    if (token !== undefined && tokenUser) tokens[token] ??= tokenUser
  }
  return tokens
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
