import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { UserInfo } from '../src/request/user-info.js'
import { ConfigError, errorMessage } from '../src/errors.js'
import type { DecodeProtobuf } from './apiserver/body.js'
import { DemoApiserver } from './apiserver/server.js'
import { AuditView } from './audit-view.js'
import { CertificateAuthority, type KeyPair } from './certificates.js'
import { DemoClient } from './client.js'
import { wantsColor } from '../src/events/format.js'
import { tellStory } from './story.js'
import { ACTORS, ALICE, BOB, CAROL, PROXY_USER, RULES, type Actor } from './users.js'
import { kubeconfig, Workspace } from './workspace.js'

/** Starts the proxy with these command-line flags, as `kube-audit-proxy FLAGS` would. */
export type StartProxy = (flags: string[]) => Promise<{ url: string; close(): Promise<void> }>

export interface DemoOptions {
  /** The command line after `demo`. */
  readonly args: readonly string[]
  readonly startProxy: StartProxy
  /** For newer kubectl, which sends protobuf where it knows the type. */
  readonly decodeProtobuf?: DecodeProtobuf
  /** The audit policy; by default the one that the package ships. */
  readonly policyFile?: string
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly stderr: NodeJS.WritableStream
  readonly env: NodeJS.ProcessEnv
  /** Aborted when the demonstration is to end. */
  readonly signal: AbortSignal
}

const HELP = `Shows what the proxy writes: starts a small kube-apiserver in memory with the proxy in front of it, lets three users
act, and prints each audit event as it is logged. Uses nothing but loopback and a temporary directory.

Usage:
  npm run demo -- [flags]

Flags:
      --once   end after the story, also at a terminal (there the proxy otherwise stays up, to be tried with kubectl)
  -h, --help   this help
`

/** From build/demo to the root of the package. */
const POLICY_FILE = fileURLToPath(new URL('../../config/policy.yaml', import.meta.url))

/**
 * Runs the demonstration to its end: that of the story, or at a terminal when `signal` is aborted. Leaves nothing behind.
 * @returns the exit code
 * @throws ConfigError for an unknown flag
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { args, stdout, stderr, signal } = options
  const unknown = args.find((arg) => !['--once', '--help', '-h'].includes(arg))
  if (unknown !== undefined) {
    throw new ConfigError(`unknown argument ${JSON.stringify(unknown)}: expected --once or --help`)
  }
  if (args.includes('--help') || args.includes('-h')) {
    stdout.write(HELP)
    return 0
  }
  const staysUp = stdout.isTTY === true && !args.includes('--once')
  try {
    await withResources(stderr, async (own) => {
      await demonstrate(options, own, staysUp)
    })
    return 0
  } catch (err) {
    if (signal.aborted) return 0
    stderr.write(`demo: ${errorMessage(err)}\n`)
    return 1
  }
}

type Own = (close: () => Promise<void> | void) => void

/** Runs `use`, then closes what it owns, last first. A close that fails keeps no other from being tried. */
async function withResources(stderr: NodeJS.WritableStream, use: (own: Own) => Promise<void>): Promise<void> {
  const closers: (() => Promise<void> | void)[] = []
  try {
    await use((close) => closers.push(close))
  } finally {
    const errors: unknown[] = []
    for (const close of closers.reverse()) {
      try {
        await close()
      } catch (err) {
        errors.push(err)
      }
    }
    for (const err of errors) stderr.write(`demo: ${errorMessage(err)}\n`)
  }
}

async function demonstrate(options: DemoOptions, own: Own, staysUp: boolean): Promise<void> {
  const { stdout, env, signal } = options
  const say = (line: string) => void stdout.write(`${line}\n`)

  const workspace = await Workspace.create()
  own(() => workspace.remove())
  const authority = new CertificateAuthority('demo-ca')
  const frontProxyAuthority = new CertificateAuthority('demo-front-proxy-ca')
  const token = randomBytes(32).toString('base64url')

  const apiserver = await DemoApiserver.start({
    serving: authority.issue({ commonName: 'kube-apiserver', usage: 'server', hosts: ['127.0.0.1'] }),
    clientCA: authority.cert,
    frontProxyCA: frontProxyAuthority.cert,
    tokens: new Map<string, UserInfo>([[token, { username: CAROL.name, groups: CAROL.groups }]]),
    rules: RULES,
    ...(options.decodeProtobuf === undefined ? {} : { decodeProtobuf: options.decodeProtobuf }),
  })
  own(() => apiserver.close())

  const auditLog = workspace.path('audit.log')
  const recordings = workspace.path('sessions')
  const view = new AuditView(auditLog, say, { color: wantsColor(stdout.isTTY, env) })
  own(() => view.close())
  const policyFile = options.policyFile ?? POLICY_FILE
  const flags = await proxyFlags({
    workspace,
    apiserver,
    authority,
    frontProxyAuthority,
    policyFile,
    auditLog,
    recordings,
  })
  say(`kube-audit-proxy ${flags.join(' ')}`)
  const proxy = await options.startProxy(flags)
  own(() => proxy.close())

  const clients = new Map<Actor, DemoClient>()
  const kubeconfigs: string[] = []
  for (const actor of ACTORS) {
    const credential: KeyPair | { token: string } =
      actor.credential === 'token'
        ? { token }
        : authority.issue({ commonName: actor.name, organizations: actor.groups, usage: 'client' })
    const client = new DemoClient({ url: proxy.url, ca: authority.cert, credential })
    own(() => client.close())
    clients.set(actor, client)
    const text = kubeconfig(proxy.url, authority.cert, actor.name, credential)
    kubeconfigs.push(await workspace.write(`${actor.name}.kubeconfig`, text))
  }
  const clientOf = (actor: Actor) => {
    const client = clients.get(actor)
    if (client === undefined) throw new Error(`${actor.name} has no client`)
    return client
  }
  await tellStory({ clientOf, view, say, recordings, signal })

  if (!staysUp || signal.aborted) return
  const ended = once(signal, 'abort')
  say(invitation(proxy.url, auditLog, kubeconfigs))
  await ended
}

interface ProxySetup {
  readonly workspace: Workspace
  readonly apiserver: DemoApiserver
  readonly authority: CertificateAuthority
  readonly frontProxyAuthority: CertificateAuthority
  readonly policyFile: string
  readonly auditLog: string
  readonly recordings: string
}

/** The flags that a user would set, with the files that they name. */
async function proxyFlags(setup: ProxySetup): Promise<string[]> {
  const { workspace, apiserver, authority, frontProxyAuthority, policyFile, auditLog, recordings } = setup
  const own = authority.issue({ commonName: PROXY_USER, usage: 'client' })
  const serving = authority.issue({
    commonName: PROXY_USER,
    usage: 'server',
    hosts: ['127.0.0.1', 'localhost'],
  })
  const frontProxy = frontProxyAuthority.issue({ commonName: 'front-proxy-client', usage: 'client' })
  const upstream = kubeconfig(apiserver.url, authority.cert, PROXY_USER, own)
  return [
    `--kubeconfig=${await workspace.write('proxy.kubeconfig', upstream)}`,
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    `--tls-cert-file=${await workspace.write('tls.crt', serving.cert)}`,
    `--tls-private-key-file=${await workspace.write('tls.key', serving.key)}`,
    `--client-ca-file=${await workspace.write('client-ca.crt', authority.cert)}`,
    `--proxy-client-cert-file=${await workspace.write('front-proxy.crt', frontProxy.cert)}`,
    `--proxy-client-key-file=${await workspace.write('front-proxy.key', frontProxy.key)}`,
    `--audit-policy-file=${policyFile}`,
    `--audit-log-path=${auditLog}`,
    `--session-recording-path=${recordings}`,
  ]
}

function invitation(url: string, auditLog: string, kubeconfigs: readonly string[]): string {
  const commands: [Actor, string][] = [
    [ALICE, 'get pods -A'],
    [BOB, 'get secrets -n team-a'],
    [CAROL, 'get pods -A --watch'],
  ]
  const lines = commands.map(([actor, command]) => {
    const file = kubeconfigs.find((path) => path.endsWith(`${actor.name}.kubeconfig`)) ?? ''
    return `  kubectl --kubeconfig ${file} ${command}`
  })
  return [
    `\nThe proxy stays up at ${url} until Ctrl-C; its audit log is ${auditLog}.`,
    'Each of the three users has a kubeconfig. In another terminal:',
    ...lines,
    '',
  ].join('\n')
}
