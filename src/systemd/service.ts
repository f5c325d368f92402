import type { Logger } from 'pino'
import { systemTimers, type Timer, type Timers } from '../timers.js'
import { Notifier } from './notify.js'

/** What the life cycle of the process says to systemd; says nothing where systemd did not ask to be told. */
export class SystemdService {
  readonly #notifier: Notifier | undefined
  /** Milliseconds within which systemd must hear from a service that is alive; undefined: it need not. */
  readonly #watchdog: number | undefined
  readonly #isHealthy: () => Promise<boolean>
  readonly #log: Pick<Logger, 'error'>
  readonly #timers: Timers
  #timer: Timer | undefined
  #stopped = false

  /**
   * @param env NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID
   * @param isHealthy whether the service can still do its work; that the event loop turns is seen by its being asked
   */
  constructor(
    env: NodeJS.ProcessEnv,
    isHealthy: () => Promise<boolean>,
    log: Pick<Logger, 'warn' | 'error'>,
    timers: Timers = systemTimers,
  ) {
    this.#notifier = env.NOTIFY_SOCKET ? new Notifier(env.NOTIFY_SOCKET, log) : undefined
    this.#watchdog = watchdogInterval(env)
    this.#isHealthy = isHealthy
    this.#log = log
    this.#timers = timers
  }

  /** It serves, for the first time or again after a reload. */
  ready(status: string): Promise<void> {
    if (this.#notifier === undefined) return Promise.resolve()
    if (this.#watchdog !== undefined && this.#timer === undefined) this.#feedWatchdog(this.#watchdog / 2)
    return this.#notifier.send({ READY: '1', STATUS: status })
  }

  /** It reads its configuration again, until it is ready again. */
  reloading(): Promise<void> {
    const monotonic = process.hrtime.bigint() / 1000n
    return this.#send({ RELOADING: '1', MONOTONIC_USEC: String(monotonic), STATUS: 'reloading' })
  }

  stopping(): Promise<void> {
    return this.#send({ STOPPING: '1', STATUS: 'shutting down' })
  }

  /** Nothing more is said. */
  close(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #send(assignments: Readonly<Record<string, string>>): Promise<void> {
    await this.#notifier?.send(assignments)
  }

  #feedWatchdog(interval: number): void {
    this.#timer = this.#timers.after(
      interval,
      () => {
        this.#feedWatchdog(interval)
        void this.#feed()
      },
      true,
    )
  }

  async #feed(): Promise<void> {
    const healthy = await this.#isHealthy()
    if (this.#stopped) return
    if (healthy) await this.#send({ WATCHDOG: '1' })
    else this.#log.error('the secure port takes no connections: the watchdog of systemd is not fed')
  }
}

/** sd_watchdog_enabled(3), in milliseconds. */
function watchdogInterval({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv): number | undefined {
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(process.pid)) return undefined
  const milliseconds = Number(WATCHDOG_USEC) / 1000
  return milliseconds > 0 ? milliseconds : undefined
}
