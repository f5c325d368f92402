import type { AuditView } from './audit-view.js'
import type { Call, DemoClient } from './client.js'
import { readEvents } from '../src/sessions/cast-reader.js'
import { PlainText } from '../src/sessions/plain-text.js'
import { storedRecordings } from '../src/sessions/stored-recordings.js'
import { ALICE, BOB, CAROL, TEAM_NAMESPACE, type Actor } from './users.js'

/** What the story is told with. */
export interface Stage {
  readonly clientOf: (actor: Actor) => DemoClient
  readonly view: AuditView
  readonly say: (line: string) => void
  /** The directory of recorded sessions. */
  readonly recordings: string
  /** Aborts the story. */
  readonly signal: AbortSignal
}

const CORE = `/api/v1/namespaces/${TEAM_NAMESPACE}`
const APPS = `/apis/apps/v1/namespaces/${TEAM_NAMESPACE}`
const MERGE_PATCH = 'application/merge-patch+json'

const create = (path: string, body: unknown): Call => ({ method: 'POST', path, body })
const get = (path: string): Call => ({ method: 'GET', path })
const object = (apiVersion: string, kind: string, name: string, rest: object = {}) => ({
  apiVersion,
  kind,
  metadata: { name },
  ...rest,
})

const POD = object('v1', 'Pod', 'debug', { spec: { containers: [{ name: 'shell', image: 'busybox' }] } })
const DEPLOYMENT = object('apps/v1', 'Deployment', 'web', {
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image: 'nginx' }] },
    },
  },
})

/**
 * A morning at a cluster: three users, each with their own rights. Every answer is checked.
 * @throws Error where an answer is not the expected one, or when the signal is aborted
 */
export async function tellStory(stage: Stage): Promise<void> {
  const { view, say, signal, clientOf, recordings } = stage
  const introduced = new Set<Actor>()

  const narrate = (actor: Actor, what: string) => {
    say(`\n${actor.name}${introduced.has(actor) ? '' : ` (${actor.role})`} ${what}`)
    introduced.add(actor)
  }
  const act = async (actor: Actor, what: string, expected: number, call: Call) => {
    narrate(actor, what)
    const { auditID, code, text } = await clientOf(actor).call(call, signal)
    if (code !== expected) {
      throw new Error(
        `${call.method} ${call.path} was answered with ${code}, not ${expected}: ${text.slice(0, 500)}`,
      )
    }
    if (!(await view.shown(auditID, 'ResponseComplete', signal))) say('(the policy leaves this one out)')
  }

  const namespace = object('v1', 'Namespace', TEAM_NAMESPACE)
  const settings = object('v1', 'ConfigMap', 'settings', { data: { color: 'blue' } })
  const password = object('v1', 'Secret', 'password', { stringData: { password: 'correct horse' } })
  await act(ALICE, 'creates a namespace', 201, create('/api/v1/namespaces', namespace))
  await act(ALICE, 'creates a config map', 201, create(`${CORE}/configmaps`, settings))
  await act(
    ALICE,
    'creates a secret: its content is not in the log',
    201,
    create(`${CORE}/secrets`, password),
  )
  await act(ALICE, 'creates a deployment', 201, create(`${APPS}/deployments`, DEPLOYMENT))

  await act(CAROL, 'lists deployments', 200, get(`${APPS}/deployments`))
  narrate(CAROL, 'watches deployments')
  const watch = await clientOf(CAROL).watch(`${APPS}/deployments?watch=true`, signal)
  try {
    await watch.next(signal)
    await view.shown(watch.auditID, 'ResponseStarted', signal)
    const scaled = watch.next(signal)
    // Whether it fails is asked below; until then nobody listens.
    scaled.catch(() => {})
    await act(ALICE, 'scales the deployment to 3', 200, {
      method: 'PATCH',
      path: `${APPS}/deployments/web/scale`,
      body: { spec: { replicas: 3 } },
      contentType: MERGE_PATCH,
    })
    await scaled
    narrate(CAROL, 'saw that and ends the watch')
  } finally {
    watch.close()
  }
  await view.shown(watch.auditID, 'ResponseComplete', signal)

  await act(BOB, 'starts a pod', 201, create(`${CORE}/pods`, POD))
  await act(BOB, "reads the pod's log", 200, get(`${CORE}/pods/debug/log`))
  narrate(BOB, 'opens a shell in it')
  const shell = `${CORE}/pods/debug/exec?command=sh&stdin=true&stdout=true&tty=true`
  const session = await clientOf(BOB).exec(shell, ['id -un', 'cat /data/password.txt', 'exit'], signal)
  await view.shown(session.auditID, 'ResponseComplete', signal)
  say('What is recorded of that:')
  for (const line of (await recordedText(recordings, session.auditID)).split('\n')) say(`  | ${line}`)

  await act(BOB, 'reads the secret: refused', 403, get(`${CORE}/secrets/password`))
  await act(BOB, 'looks for something that is not there', 404, get(`${CORE}/configmaps/missing`))
  await act(CAROL, 'deletes the config map: refused', 403, {
    method: 'DELETE',
    path: `${CORE}/configmaps/settings`,
  })
  await act(ALICE, 'looks at the pods as bob', 200, {
    ...get(`${CORE}/pods`),
    headers: { 'impersonate-user': BOB.name, 'impersonate-group': BOB.groups.join() },
  })
  await act(ALICE, 'changes the config map', 200, {
    method: 'PATCH',
    path: `${CORE}/configmaps/settings`,
    body: { data: { color: 'green' } },
    contentType: MERGE_PATCH,
  })
  await act(ALICE, 'deletes the deployment', 200, { method: 'DELETE', path: `${APPS}/deployments/web` })
}

/** The output of a session, as `kube-audit-proxy sessions cat` prints it. */
async function recordedText(directory: string, auditID: string): Promise<string> {
  const plain = new PlainText()
  let text = ''
  for await (const { file } of storedRecordings(directory)) {
    if (!file.includes(auditID)) continue
    for await (const { code, data } of readEvents(file)) if (code === 'o') text += plain.write(data)
  }
  if (text === '') throw new Error(`${directory}: no recording of ${auditID}`)
  return text.trimEnd()
}
