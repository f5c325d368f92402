import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import t from 'tap'
import { readAuditLog, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { apiservers, atLeast } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { attack } from '../support/hostile/attack.js'
import {
  fatesOf,
  marker,
  markerOf,
  MODES,
  needsHttp2,
  type Fate,
  type HostileCase,
  type Identity,
  type Mode,
  type NumberedCase,
} from '../support/hostile/case.js'
import { clientCertificates, Front, POLICY, TOKENS } from '../support/hostile/front.js'
import { bodyDifferences } from '../support/hostile/bodies.js'
import { SECRET_TEXTS } from '../support/hostile/body-case.js'
import { CASES } from './hostile/families.js'
import { fill, grant, robotToken } from './hostile/permissions.js'

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

const AUTHENTICATED = 'system:authenticated'

/** Who is who in a log, but for the uid of the service account. */
const USERS: readonly [name: string, username: string, groups: readonly string[]][] = [
  ['alice', 'alice', ['dev', 'qa', AUTHENTICATED]],
  ['eve', 'eve', ['dev', AUTHENTICATED]],
  ['mallory', 'mallory', [AUTHENTICATED]],
  ['bob', 'bob', ['viewers', AUTHENTICATED]],
  ['carol', 'carol', ['viewers', AUTHENTICATED]],
  [
    'robot',
    'system:serviceaccount:default:robot',
    ['system:serviceaccounts', 'system:serviceaccounts:default', AUTHENTICATED],
  ],
  ['nobody', 'system:anonymous', ['system:unauthenticated']],
  ['the proxy', 'kube-audit-proxy', [AUTHENTICATED]],
]

/** k8s.io/apiserver/pkg/authentication/user: since 1.30 of a service account's token, since 1.32 of a certificate. */
const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id'
const WITHOUT_CREDENTIAL_ID: readonly string[] = ['bob', 'carol', 'nobody']

/** The extra by which kube-apiserver's log tells for whom the proxy impersonates. */
const ORIGINALLY_EVE = JSON.stringify({
  'kube-audit-proxy.io/original-groups': ['dev', AUTHENTICATED],
  'kube-audit-proxy.io/original-user': ['eve'],
})

const MALLORY_FOR_EVE = 'mallory, asked by eve'

/** One request as a log tells of it: its events, in the order of their stages. */
type Told = readonly LoggedEvent[]

/** What happened to a case, or should have. */
interface Story {
  readonly answers: readonly number[] | string
  /** Each request in the proxy's log: what it is, whose, and the code of its answer. */
  readonly ours: readonly string[]
  /** The same in kube-apiserver's. */
  readonly theirs: readonly string[]
  /** What the two logs say differently of the same request, and what is in one alone. */
  readonly differences: readonly string[]
}

for (const apiserver of apiservers()) {
  const { version, skip } = apiserver
  await t.test(`hostile clients and kube-apiserver ${version}`, { skip, timeout: 300_000 }, async (t) => {
    t.ok(CASES.length >= 800, `${CASES.length} cases`)
    // Before, kube-apiserver recorded less of bodies.
    const bodies = atLeast(apiserver, '1.37')
    const cases = CASES.filter(({ since }) => since === undefined || atLeast(apiserver, since))
    const cluster = await TestCluster.start({ apiserver, auditPolicy: POLICY, tokens: TOKENS })
    t.teardown(() => cluster.stop())
    await grant(cluster)
    await fill(cluster)
    const certificates = clientCertificates(cluster)
    const kitchen = { robotToken: await robotToken(cluster), serviceAccountKey: cluster.serviceAccountKey }

    for (const mode of MODES) {
      await t.test(`identities by ${mode}`, async (t) => {
        const front = await Front.start(mode, cluster.url, t.testdir(), cluster, certificates)
        t.teardown(() => front.proxy.stop('SIGKILL'))
        const before = readAuditLog(cluster.auditLog).length
        const answers = await attack(front, cases, kitchen)
        t.equal(await front.proxy.stop(), 0, 'the proxy lived through it all')

        const ours = byRequest(readAuditLog(front.auditLog))
        const theirs = await waitForEvents(cluster.auditLog, (events) => {
          const told = byRequest(events.slice(before))
          return [...ours].every(([key, mine]) => refusedHere(mine) || isOver(told.get(key)))
            ? told
            : undefined
        }).catch(() => byRequest(readAuditLog(cluster.auditLog).slice(before)))

        const strangers = [...ours, ...theirs].filter(([, told]) => caseOf(told) === undefined)
        t.strictSame(strangers, [], 'every request in the logs belongs to a case')
        if (answers.size < cases.length) t.comment('the proxy offers no HTTP/2: its cases are left out')
        const leaked = [...readFileSync(front.auditLog, 'utf8').split('\n'), ...front.proxy.logLines]
          .filter((line) => SECRET_TEXTS.some((text) => line.includes(text)))
          .map((line) => marker(line, ''))
        t.strictSame(leaked, [], 'no log has what is secret')
        for (const [one, got] of answers) {
          const story = tell(one, got, ours, theirs, bodies)
          t.strictSame(story, expected(one, mode, story, theirs), `${one.id} ${one.family}: ${one.name}`)
        }
      })
    }
  })
}

function tell(
  one: NumberedCase,
  answers: readonly number[] | string,
  ours: ReadonlyMap<string, Told>,
  theirs: ReadonlyMap<string, Told>,
  bodies: boolean,
): Story {
  const mine = [...ours].filter(([, told]) => caseOf(told) === one.id)
  const native = [...theirs].filter(([, told]) => caseOf(told) === one.id)
  return {
    answers,
    ours: mine.map(([, told]) => summary(told)).sort(),
    theirs: native.map(([, told]) => summary(told)).sort(),
    differences: [
      ...native.filter(([key]) => !ours.has(key)).map(([key]) => `not in our log: ${key}`),
      ...mine.flatMap(([key, told]) => differences(one, told, theirs.get(key), bodies)),
    ],
  }
}

/** The story that the case's fates make. Codes that are kube-apiserver's to choose are taken from its own log. */
function expected(one: NumberedCase, mode: Mode, got: Story, theirs: ReadonlyMap<string, Told>): Story {
  const fates = fatesOf(one, mode)
  const answers: number[] = []
  const ours: string[] = []
  const native: string[] = []
  for (const fate of fates) {
    if (fate.kind === 'unread') {
      if (fate.code !== 0 || needsHttp2(one)) answers.push(fate.code)
      continue
    }
    const about = markerOf(one, fate.part)
    if (fate.kind === 'broken' || fate.kind === 'late') {
      const mine = got.ours.filter((line) => line.startsWith(`${about} by ${fate.by}: `))
      // The apiserver may never hear of it, and its answer may be cut off.
      ours.push(...mine)
      native.push(...got.theirs.filter((line) => line.startsWith(`${about} by ${asTold(fate.by, mode)}: `)))
      if (fate.kind === 'late') continue
      if (mine.length !== 1) ours.push(`${about} by ${fate.by}`)
      if (typeof got.answers !== 'string') answers.push(...got.answers.slice(answers.length))
      continue
    }
    const code = fate.kind === 'seen' ? (fate.code ?? codeOf(about, theirs)) : fate.code
    answers.push(code)
    ours.push(`${about} by ${asLogged(fate.by, mode)}: ${code}`)
    if (fate.kind === 'seen') native.push(`${about} by ${asTold(fate.by, mode)}: ${code}`)
  }
  return { answers, ours: ours.sort(), theirs: native.sort(), differences: [] }
}

function codeOf(about: string, theirs: ReadonlyMap<string, Told>): number {
  for (const told of theirs.values())
    if (markOf(told) === about) return told.at(-1)?.responseStatus?.code ?? 0
  return 0
}

/** Whom kube-apiserver's log names: where the proxy impersonates, whom it acts for. */
function asTold(by: Identity, mode: Mode): string {
  if (mode === 'request header') return by
  if (by === 'eve as mallory') return `the proxy as ${MALLORY_FOR_EVE}`
  return by === 'alice' || by === 'eve' ? `the proxy as ${by}` : by
}

/** Whom the proxy's log names: where it impersonates, it shows the extra that it sends along. */
function asLogged(by: Identity | undefined, mode: Mode): string {
  return by === 'eve as mallory' && mode === 'impersonation' ? `eve as ${MALLORY_FOR_EVE}` : (by ?? 'unknown')
}

function summary(told: Told): string {
  const last = told.at(-1) as LoggedEvent
  return `${markOf(told)} by ${byWhom(last)}: ${last.responseStatus?.code}`
}

function byWhom({ user, impersonatedUser }: LoggedEvent): string {
  return impersonatedUser === undefined ? nameOf(user) : `${nameOf(user)} as ${nameOf(impersonatedUser)}`
}

function nameOf(user: LoggedEvent['user']): string {
  if (user.username === undefined) return 'unknown'
  const known = USERS.find(
    ([, username, groups]) => username === user.username && String(groups) === String(user.groups),
  )
  const expectedUid = known?.[0] === 'bob' || known?.[0] === 'carol' ? `uid-${known[0]}` : undefined
  const uidFits = known?.[0] === 'robot' ? user.uid !== undefined : user.uid === expectedUid
  if (known === undefined || !uidFits) return JSON.stringify(user)
  const { [CREDENTIAL_ID]: credential, ...extra } = user.extra ?? {}
  if (credential !== undefined && !isCredentialID(credential, known[0])) return JSON.stringify(user)
  if (Object.keys(extra).length === 0) return known[0]
  return known[0] === 'mallory' && JSON.stringify(extra) === ORIGINALLY_EVE
    ? MALLORY_FOR_EVE
    : JSON.stringify(user)
}

/** What names the token of a service account, or the certificate of anybody else who has one. */
function isCredentialID([id = '', ...more]: readonly string[], name: string): boolean {
  const form = name === 'robot' ? /^JTI=[-0-9a-f]{36}$/ : /^X509SHA256=[0-9a-f]{64}$/
  return form.test(id) && more.length === 0 && !WITHOUT_CREDENTIAL_ID.includes(name)
}

/** What is recorded of the request itself, which must be the same in both logs. */
function differences(one: HostileCase, mine: Told, native: Told | undefined, bodies: boolean): string[] {
  const wrong: string[] = []
  const users = new Set(mine.map((e) => JSON.stringify(e.user)))
  if (users.size !== 1) wrong.push(`its user changes: ${[...users].join(' ')}`)
  for (const ip of mine[0]?.sourceIPs ?? []) if (isIP(ip) === 0) wrong.push(`sourceIPs: ${ip}`)
  if (one.unrecorded === true && mine.some((e) => e.requestObject !== undefined))
    wrong.push('its body is there')
  if (native === undefined) return wrong
  const stages = (told: Told): string => told.map((e) => e.stage).join(' ')
  if (isOver(native) && stages(mine) !== stages(native)) {
    wrong.push(`stages: ${stages(mine)}, not ${stages(native)}`)
  }
  const [a, b] = [mine[0] as LoggedEvent, native[0] as LoggedEvent]
  for (const field of ['auditID', 'verb', 'requestURI', 'objectRef', 'userAgent'] as const) {
    const [ours, theirs] = [JSON.stringify(a[field]), JSON.stringify(b[field])]
    if (ours !== theirs) wrong.push(`${field}: ${ours}, not ${theirs}`)
  }
  const [last, nativeLast] = [mine.at(-1) as LoggedEvent, native.at(-1) as LoggedEvent]
  if (bodies && isOver(native) && nativeLast.level === 'RequestResponse') {
    wrong.push(...bodyDifferences(one, last, nativeLast))
  }
  return wrong
}

function byRequest(events: readonly LoggedEvent[]): Map<string, LoggedEvent[]> {
  const groups = new Map<string, LoggedEvent[]>()
  for (const event of events) {
    const key = `${event.auditID} ${event.requestURI}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [event])
    else group.push(event)
  }
  return groups
}

function markOf(told: Told): string | undefined {
  const [first] = told
  return first === undefined ? undefined : marker(first.auditID, first.requestURI)
}

function caseOf(told: Told): string | undefined {
  return markOf(told)?.slice(0, 'case-0000'.length)
}

function isOver(told: Told | undefined): boolean {
  return told?.at(-1)?.stage === 'ResponseComplete'
}

/** True where nothing is to be waited for in kube-apiserver's log. */
function refusedHere(told: Told): boolean {
  const one = CASES.find(({ id }) => id === caseOf(told))
  const fates: readonly Fate[] = one === undefined ? [] : MODES.flatMap((mode) => fatesOf(one, mode))
  return fates.some((fate) => fate.kind !== 'seen')
}
