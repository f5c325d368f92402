import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Watch } from './watch.js'

/** The built executable, as package.json's `bin` names it. */
export const BIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** The real executable in a process of its own, started with real flags. */
export class ProxyProcess {
  /** Every line that it wrote to standard error: its own log. */
  readonly logLines: string[] = []
  stdout = ''
  readonly #lines = new Watch()

  /** The secure port. */
  port = 0
  /** The ports of --healthz-bind-address and --metrics-bind-address; 0 where they are off. */
  readonly healthzPort: number = 0
  readonly metricsPort: number = 0

  private constructor(readonly child: ChildProcess) {}

  /** Starts it on a free port of 127.0.0.1 and waits until it says that it serves. Throws with its log where it exits. */
  static async start(
    flags: readonly string[],
    env: NodeJS.ProcessEnv = {},
    /** Descriptors of sockets that it inherits, as from systemd. */
    sockets: readonly number[] = [],
  ): Promise<ProxyProcess> {
    // The shell is replaced by the proxy, which so has its process id.
    const activated = sockets.length > 0 ? ['sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh'] : []
    const [command = '', ...args] = [...activated, process.execPath, BIN]
    const child = spawn(
      command,
      [...args, '--bind-address=127.0.0.1', '--secure-port=0', '--log-format=json', ...flags],
      {
        stdio: ['ignore', 'pipe', 'pipe', ...sockets],
        env: {
          ...process.env,
          ...(sockets.length > 0 && { LISTEN_FDS: String(sockets.length) }),
          ...env,
        },
      },
    )
    const proxy = new ProxyProcess(child)
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (proxy.stdout += text))
    await new Promise<void>((resolve, reject) => {
      const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream })
      lines.on('line', (line) => {
        proxy.logLines.push(line)
        proxy.#lines.changed()
        if (!line.includes('"msg":"serving"')) return
        const { port, healthz, metrics } = JSON.parse(line) as Record<string, number>
        Object.assign(proxy, { port, healthzPort: healthz ?? 0, metricsPort: metrics ?? 0 })
        resolve()
      })
      child.once('exit', (code, signal) => {
        reject(new Error(`the proxy exited with ${code ?? signal}:\n${proxy.logLines.join('\n')}`))
      })
    })
    return proxy
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`
  }

  /** Waits for the next line of its log, counted from line `from`, that has the text; answers its number. */
  async logged(text: string, from = 0): Promise<number> {
    const find = () => this.logLines.findIndex((line, i) => i >= from && line.includes(text))
    await this.#lines.until(() => find() >= 0)
    return find()
  }

  /** Sends a signal and, when all that it wrote is read, answers the exit code (or the signal that ended it). */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    if (this.child.exitCode !== null) return this.child.exitCode
    if (this.child.signalCode !== null) return this.child.signalCode
    const exited = once(this.child, 'close') as Promise<[number | null, string | null]>
    this.child.kill(signal)
    const [code, by] = await exited
    return code ?? by ?? ''
  }
}
