import { Counter, Gauge, type Registry } from 'prom-client'

/** What was reloaded, and whether it could be. Files are named by their flags. */
export class ReloadMetrics {
  readonly #reloads: Counter<'file' | 'result'>
  readonly #lastSuccess: Gauge<'file'>

  constructor(registry: Registry) {
    // Of several processes the first one reads the files, and the others only after it.
    const registers = [registry]
    const aggregator = 'first'
    this.#reloads = new Counter({
      registers,
      aggregator,
      name: 'kube_audit_proxy_config_reload_total',
      help: 'Counter of reloads of configuration files, by the flag that names the file and by result (success or failure).',
      labelNames: ['file', 'result'],
    })
    this.#lastSuccess = new Gauge({
      registers,
      aggregator,
      name: 'kube_audit_proxy_config_last_reload_success_timestamp_seconds',
      help: 'When the file was last read without a problem, in seconds since the Unix epoch.',
      labelNames: ['file'],
    })
  }

  /** The file was read at the start: both results are shown from here on. */
  observeStart(file: string): void {
    this.#reloads.inc({ file, result: 'success' }, 0)
    this.#reloads.inc({ file, result: 'failure' }, 0)
    this.#lastSuccess.set({ file }, Date.now() / 1000)
  }

  observeReload(file: string, success: boolean): void {
    this.#reloads.inc({ file, result: success ? 'success' : 'failure' })
    if (success) this.#lastSuccess.set({ file }, Date.now() / 1000)
  }
}
