import { setTimeout as sleep } from 'node:timers/promises'
import type { ProxyProcess } from './proxy-process.js'

/** For StandIn: the proxy serves its metrics on a free port. */
export const METRICS_FLAG = '--metrics-bind-address=127.0.0.1:0'

/** Samples by name and labels, as they are exposed: `apiserver_audit_error_total{plugin="webhook"}`. */
export type Samples = ReadonlyMap<string, number>

/** The metrics of a proxy that was started with METRICS_FLAG, scraped over HTTP. */
export class ProxyMetrics {
  readonly #url: string

  constructor(proxy: ProxyProcess) {
    this.#url = `http://127.0.0.1:${proxy.metricsPort}/metrics`
  }

  async scrape(): Promise<Samples> {
    const response = await fetch(this.#url)
    if (!response.ok) throw new Error(`${this.#url}: status ${response.status}`)
    const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(
      lines.map((line) => {
        const end = line.lastIndexOf(' ')
        return [line.slice(0, end), Number(line.slice(end + 1))]
      }),
    )
  }

  /** Scrapes again and again until `found` answers true. Throws after `seconds`. */
  async until(found: (samples: Samples) => boolean, seconds = 30): Promise<Samples> {
    for (const end = Date.now() + seconds * 1000; ; await sleep(50)) {
      const samples = await this.scrape()
      if (found(samples)) return samples
      if (Date.now() > end) throw new Error(`${this.#url}: ${JSON.stringify([...samples])}`)
    }
  }
}

/** The sum of a metric's samples, whatever their labels. */
export function sumOf(samples: Samples, name: string): number {
  let sum = 0
  for (const [key, value] of samples) if (key === name || key.startsWith(`${name}{`)) sum += value
  return sum
}
