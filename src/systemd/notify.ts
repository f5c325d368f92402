import { execFile } from 'node:child_process'
import type { Logger } from 'pino'

/** Milliseconds that one notification may take. */
const TIMEOUT = 5000

/**
 * Tells systemd how the service fares (sd_notify(3)), where it listens: with `Type=notify` or `notify-reload`. Its
 * socket is a Unix datagram socket, which Node.js cannot open, so systemd's own `systemd-notify` sends the messages; the
 * unit needs `NotifyAccess=all`. They arrive in the order of the calls.
 */
export class Notifier {
  readonly #socket: string
  readonly #log: Pick<Logger, 'warn'>
  #last: Promise<void> = Promise.resolve()
  #failing = false

  /** @param socket the value of NOTIFY_SOCKET */
  constructor(socket: string, log: Pick<Logger, 'warn'>) {
    this.#socket = socket
    this.#log = log
  }

  /** Never rejects; what keeps a message from being sent is logged when it begins. */
  send(assignments: Readonly<Record<string, string>>): Promise<void> {
    const args = Object.entries(assignments).map(([name, value]) => `${name}=${value}`)
    this.#last = this.#last.then(() => this.#run(args))
    return this.#last
  }

  #run(args: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const env = { PATH: process.env.PATH, NOTIFY_SOCKET: this.#socket }
      execFile('systemd-notify', args, { env, timeout: TIMEOUT }, (err, _stdout, stderr) => {
        if (err !== null && !this.#failing) {
          const reason = stderr.trim().split('\n')[0] || err.message.split('\n')[0]
          this.#log.warn({ reason }, 'systemd cannot be notified: systemd-notify failed')
        }
        this.#failing = err !== null
        resolve()
      })
    })
  }
}
