import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Watch } from './watch.js'

/** A stand-in for systemd's notification socket, which Node.js itself cannot open. */
export class NotifySocket {
  readonly messages: Record<string, string>[] = []
  readonly #watch = new Watch()

  /** Why a test that needs it is skipped; false where it need not be. */
  static skip(): string | false {
    for (const command of ['python3', 'systemd-notify']) {
      try {
        execFileSync(command, ['--version'], { stdio: 'ignore' })
      } catch {
        return `there is no ${command}`
      }
    }
    return false
  }

  static async start(): Promise<NotifySocket> {
    // The path of a socket is limited to about a hundred characters.
    const directory = mkdtempSync(join(tmpdir(), 'notify-'))
    const path = join(directory, 'socket')
    const script = fileURLToPath(new URL('../../../test/support/notify-socket.py', import.meta.url))
    const child = spawn('python3', [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const socket = new NotifySocket(directory, path, child)
    await socket.#watch.until(() => socket.#listening)
    return socket
  }

  #listening = false

  readonly #directory: string
  readonly #child: ChildProcess

  private constructor(
    directory: string,
    readonly path: string,
    child: ChildProcess,
  ) {
    this.#directory = directory
    this.#child = child
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const message = JSON.parse(line) as 'listening' | Record<string, string>
      if (message === 'listening') this.#listening = true
      else if (message.BARRIER === undefined) this.messages.push(message)
      this.#watch.changed()
    })
  }

  /** Waits for the next message, counted from message `from`, with that variable; answers its number. */
  async received(name: string, from = 0): Promise<number> {
    const find = () => this.messages.findIndex((message, i) => i >= from && message[name] !== undefined)
    await this.#watch.until(() => find() >= 0)
    return find()
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill()
    await exited
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
