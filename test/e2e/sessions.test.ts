import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { Exec, KubeConfig } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { apiservers, type Apiserver } from '../support/apiservers.js'
import { readAuditLog, type LoggedEvent } from '../support/audit-log.js'
import { castFiles, dataOf, notesOf, readCast, type Cast } from '../support/casts.js'
import { TestCluster } from '../support/cluster.js'
import { ClusterProxy, type IdentityMode } from '../support/cluster-proxy.js'
import { certificate } from '../support/kubeconfig.js'
import { kubectls, runKubectl, type Kubectl, type KubectlResult } from '../support/kubectl.js'
import { noKubeletStreams, startKubeletStreams } from '../support/kubelet-streams.js'

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

const NAMESPACE = 'e2e'
const POLICY =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, resources: [{group: "", resources: [pods/exec, pods/attach]}]}, {level: None}]\n'
const SPDY = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' }
const RECORDING = 'session.kube-audit-proxy.io/recording'

/** kubectl at the proxy, and what the proxy records. */
class Sessions {
  readonly #args: string[]
  readonly #kubectl: Kubectl
  readonly #env: NodeJS.ProcessEnv

  constructor(
    readonly proxy: ClusterProxy,
    readonly recordings: string,
    kubectl: Kubectl,
    kubeconfig: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.#kubectl = kubectl
    this.#env = env
    this.#args = [
      `--kubeconfig=${kubeconfig}`,
      `--cache-dir=${join(proxy.dir, 'cache')}`,
      `--namespace=${NAMESPACE}`,
    ]
  }

  run(args: readonly string[], stdin = ''): Promise<KubectlResult> {
    return runKubectl(this.#kubectl.path, [...this.#args, ...args], stdin, this.#env)
  }

  /** Starts it at a terminal of 100 columns and 30 lines; what it shows is on its standard output. */
  atTerminal(t: Test, args: readonly string[]): ChildProcess {
    const words = [this.#kubectl.path, ...this.#args, ...args].map((word) => `'${word}'`).join(' ')
    const child = spawn('script', ['-qec', `stty rows 30 cols 100; exec ${words}`, '/dev/null'], {
      env: { ...process.env, ...this.#env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }

  /** The recording of what `act` does, and the last event of its session. */
  async recorded(act: () => Promise<unknown>): Promise<{ cast: Cast; file: string; event: LoggedEvent }> {
    const known = new Set(castFiles(this.recordings))
    await act()
    const found = await this.#finished(known)
    const path = found.at(-1) ?? ''
    const events = readAuditLog(this.proxy.auditLog).filter(
      (event) => event.annotations?.[RECORDING] === path,
    )
    const event = events.at(-1) as LoggedEvent
    return { cast: readCast(this.recordings, path), file: join(this.recordings, path), event }
  }

  /** Waits until what is new is finished. The client may be gone sooner. */
  async #finished(known: ReadonlySet<string>): Promise<string[]> {
    for (;;) {
      const found = castFiles(this.recordings).filter((path) => !known.has(path))
      const events = readAuditLog(this.proxy.auditLog)
      const over = (path: string): boolean =>
        events.some((e) => e.stage === 'ResponseComplete' && e.annotations?.[RECORDING] === path)
      if (found.length > 0 && found.every(over)) return found
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

for (const apiserver of apiservers()) {
  for (const [i, kubectl] of kubectls(apiserver).entries()) {
    const identity: IdentityMode = i === 0 ? 'request header' : 'impersonation'
    const name = `kube-apiserver ${apiserver.version}, kubectl ${kubectl.version}, ${identity}: sessions are recorded`
    const skip = kubectl.skip || noKubeletStreams(apiserver)
    await t.test(name, { skip, timeout: 240_000 }, (t) => work(t, apiserver, kubectl, identity))
  }
}

async function work(t: Test, apiserver: Apiserver, kubectl: Kubectl, identity: IdentityMode): Promise<void> {
  const cluster = await TestCluster.start({
    apiserver,
    flags: ['--kubelet-preferred-address-types=InternalIP'],
  })
  t.teardown(() => cluster.stop())
  const kubelet = await startKubeletStreams(t, cluster, apiserver, NAMESPACE)
  const recordings = t.testdir()
  const flags = [
    `--session-recording-path=${recordings}`,
    '--session-recording-input',
    '--session-recording-max-bytes=20000',
    '--workers=2',
  ]
  const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity, flags })
  const kubeconfig = proxy.kubeconfig('admin', certificate(cluster.admin))
  const open = (env: NodeJS.ProcessEnv): Sessions => new Sessions(proxy, recordings, kubectl, kubeconfig, env)
  for (const [protocol, env] of [
    ['as kubectl likes it best', {}],
    ['over SPDY', SPDY],
  ] as const) {
    await t.test(protocol, (t) => session(t, open(env)))
  }
  await t.test('a further client: @kubernetes/client-node', async (t) => {
    const sessions = open({})
    const config = new KubeConfig()
    config.loadFromFile(kubeconfig)
    const out = new PassThrough()
    const { cast } = await sessions.recorded(
      () =>
        new Promise((resolve, reject) => {
          const command = ['sh', '-c', 'echo from node; exit 4']
          new Exec(config)
            .exec(NAMESPACE, 'real', 'c', command, out, null, null, false, resolve)
            .catch(reject)
        }),
    )
    t.equal(String(out.read()), 'from node\n')
    t.equal(dataOf(cast, 'o'), 'from node\n')
    t.equal(dataOf(cast, 'x'), '4')
  })
  await t.test('sessions that are ended', (t) => endings(t, open))
  await t.test('a kubelet that is killed', async (t) => {
    const sessions = open({})
    const { cast } = await sessions.recorded(async () => {
      const child = sessions.atTerminal(t, ['exec', '-it', 'real', '--', 'sh', '-c', 'echo begun; sleep 60'])
      await once(child.stdout as NodeJS.ReadableStream, 'data')
      const exited = once(child, 'exit')
      kubelet.kill('SIGKILL')
      await exited
    })
    t.match(dataOf(cast, 'o'), /^begun/)
    t.match(notesOf(cast).at(-1), { kind: 'end' })
  })
}

async function session(t: Test, sessions: Sessions): Promise<void> {
  await t.test(
    'without a terminal: both outputs, the exit code, the file as the event says it',
    async (t) => {
      const command = ['exec', 'real', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3']
      const { cast, file, event } = await sessions.recorded(async () =>
        t.match(await sessions.run(command), { code: 3, out: 'out\n', err: /^err\n/ }),
      )
      t.equal(cast.header.command, "sh -c 'echo out; echo err >&2; exit 3'")
      t.match(cast.header['kube-audit-proxy'], {
        user: 'admin',
        namespace: NAMESPACE,
        pod: 'real',
        tty: false,
      })
      t.match(dataOf(cast, 'o'), /out\n/)
      t.match(dataOf(cast, 'o'), /err\n/)
      const err = cast.events.findIndex(([, , data]) => data === 'err\n')
      t.match(
        cast.events
          .slice(0, err)
          .filter(([, code]) => code === 's')
          .at(-1)?.[2],
        'stderr',
        'what is of stderr is marked',
      )
      t.equal(dataOf(cast, 'x'), '3')
      t.match(notesOf(cast).at(-1), { kind: 'end', exitCode: 3, reason: 'NonZeroExitCode' })
      const bytes = readFileSync(file)
      t.match(event.annotations, {
        'session.kube-audit-proxy.io/bytes': String(bytes.length),
        'session.kube-audit-proxy.io/sha256': createHash('sha256').update(bytes).digest('hex'),
        'session.kube-audit-proxy.io/exit-code': '3',
        'session.kube-audit-proxy.io/duration': /s$/,
      })
    },
  )

  await t.test('input that comes through a pipe, and an exit code of 0', async (t) => {
    const { cast } = await sessions.recorded(async () =>
      t.match(await sessions.run(['exec', '-i', 'real', '--', 'cat'], 'typed\n'), {
        code: 0,
        out: 'typed\n',
      }),
    )
    t.equal(dataOf(cast, 'i'), 'typed\n')
    t.equal(dataOf(cast, 'o'), 'typed\n')
    t.equal(dataOf(cast, 'x'), '0')
  })

  await t.test('attach', async (t) => {
    const { cast } = await sessions.recorded(async () =>
      t.match(await sessions.run(['attach', '-i', 'real'], 'typed\n'), { code: 0, out: 'typed\n' }),
    )
    t.equal(dataOf(cast, 'o'), 'typed\n')
    t.match(cast.header['kube-audit-proxy'], { subresource: 'attach' })
  })

  await t.test('a terminal: its size, what it shows, no password', async (t) => {
    let shown = ''
    const { cast, file } = await sessions.recorded(async () => {
      const child = sessions.atTerminal(t, ['exec', '-it', 'real', '--', 'sh'])
      const steps: [RegExp, string][] = [
        [/[$#] $/, 'stty size; stty -echo; echo sec""ret:; read x; stty echo; echo ü$?\r'],
        [/^secret:/m, 'hunter2\r'],
        [/^ü0[\r\n]+.*[$#] $/m, 'exit 0\r'],
      ]
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        shown += text
        const [next] = steps
        if (next?.[0].test(shown) !== true) return
        steps.shift()
        child.stdin?.write(next[1])
      })
      await once(child, 'exit')
    })
    t.match(shown, /30 100\r\n/, 'the terminal has its size')
    t.match(cast.header, { width: 100, height: 30 })
    t.match(dataOf(cast, 'r'), '100x30')
    t.ok(shown.includes(dataOf(cast, 'o')), 'what was shown is what is recorded')
    t.match(dataOf(cast, 'i'), /stty size.*exit 0/s)
    t.notMatch(dataOf(cast, 'i'), /hunter2/, 'what was not echoed is kept out')
    t.ok(notesOf(cast).some(({ kind }) => kind === 'input-withheld'))
    const asciinema = noAsciinema()
    if (asciinema !== false) return void t.pass('asciinema', { skip: asciinema })
    // It wants a terminal, which is not to change what it gives.
    const command = `stty -opost; exec asciinema cat '${file}'`
    const played = execFileSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' })
    t.equal(played, dataOf(cast, 'o'), 'asciinema gives what the terminal got')
  })

  await t.test('cp: what is no text is a note', async (t) => {
    const dir = t.testdir({ sent: 'some text\n'.repeat(1000) })
    const { cast } = await sessions.recorded(async () => {
      const copied = await sessions.run(['cp', `real:${join(dir, 'sent')}`, join(dir, 'back')])
      t.equal(copied.code, 0, copied.err)
    })
    t.equal(readFileSync(join(dir, 'back'), 'utf8'), readFileSync(join(dir, 'sent'), 'utf8'))
    t.match(cast.header.command, /^tar cf - /)
    t.notMatch(dataOf(cast, 'o'), /some text/)
    t.match(
      notesOf(cast).find(({ kind }) => kind === 'binary'),
      { stream: 'stdout', bytes: Number, sha256: /^[0-9a-f]{64}$/ },
    )
  })

  await t.test('a client that is killed', async (t) => {
    const { cast } = await sessions.recorded(async () => {
      const child = sessions.atTerminal(t, ['exec', '-it', 'real', '--', 'sh', '-c', 'echo begun; sleep 60'])
      await once(child.stdout as NodeJS.ReadableStream, 'data')
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    })
    t.match(dataOf(cast, 'o'), /^begun/)
    t.match(notesOf(cast).at(-1), { kind: 'end' })
  })
}

/** What kubectl makes of a session that is ended. */
async function endings(t: Test, open: (env: NodeJS.ProcessEnv) => Sessions): Promise<void> {
  for (const env of [{}, SPDY]) {
    const sessions = open(env)
    const { cast, event } = await sessions.recorded(async () => {
      const ended = await sessions.run([
        'exec',
        'real',
        '--',
        'sh',
        '-c',
        'while echo some output; do :; done',
      ])
      t.equal(ended.code, 1)
      t.match(ended.out, /^some output\nsome output\n/)
      t.match(ended.err, /the session is ended: it can no longer be recorded: .* limit of 20000 bytes/)
    })
    t.match(notesOf(cast).at(-1), { kind: 'end', reason: /limit of 20000 bytes/ })
    t.match(event.annotations?.['session.kube-audit-proxy.io/incomplete'], /limit/)
  }
}

function noAsciinema(): string | false {
  try {
    execFileSync('asciinema', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'there is no asciinema'
  }
}
