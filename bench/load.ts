import https, { type RequestOptions } from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** What the requests of one measurement were like. Times in milliseconds. */
export interface Load {
  readonly requests: number
  /** Requests that were not answered with 200. */
  readonly failed: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/**
 * Sends requests for `seconds`, so many at a time, each as soon as one before is answered.
 *
 * @param request options of node:https, without an agent
 * @param recorder of earlier measurements of the same thing, to go on with
 */
export async function closedLoop(
  request: RequestOptions,
  { seconds, concurrency }: { seconds: number; concurrency: number },
  recorder = new Recorder(),
): Promise<Load> {
  const agent = new https.Agent({ keepAlive: true, maxSockets: concurrency })
  const start = performance.now()
  const client = async () => {
    while (performance.now() - start < seconds * 1000) await recorder.time(() => ask({ ...request, agent }))
  }
  await Promise.all(Array.from({ length: concurrency }, client))
  agent.destroy()
  recorder.took(performance.now() - start)
  return recorder.load()
}

/**
 * Sends requests at a fixed rate for `seconds`, up to `concurrency` at a time; fewer, where they are not answered that
 * fast. Each is timed from the moment that it was sent.
 */
export async function openLoop(
  request: RequestOptions,
  { seconds, perSecond, concurrency }: { seconds: number; perSecond: number; concurrency: number },
): Promise<Load> {
  const agent = new https.Agent({ keepAlive: true, maxSockets: concurrency })
  const recorder = new Recorder()
  const underWay = new Set<Promise<void>>()
  const start = performance.now()
  let sent = 0
  while (performance.now() - start < seconds * 1000) {
    const due = Math.floor(((performance.now() - start) / 1000) * perSecond)
    for (; sent < due && underWay.size < concurrency; sent++) {
      const asked = recorder.time(() => ask({ ...request, agent }))
      underWay.add(asked)
      void asked.then(() => underWay.delete(asked))
    }
    await sleep(1)
  }
  await Promise.all(underWay)
  agent.destroy()
  recorder.took(performance.now() - start)
  return recorder.load()
}

/** One request, its answer read and thrown away; answers the status. */
export async function ask(options: RequestOptions, body?: Buffer): Promise<number> {
  const req = https.request(options)
  req.end(body)
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  await once(res.resume(), 'end')
  return res.statusCode ?? 0
}

/** Collects latencies. */
export class Recorder {
  #elapsed = 0
  readonly #times: number[] = []
  #failed = 0

  async time(ask: () => Promise<number>): Promise<void> {
    const since = performance.now()
    const status = await ask().catch(() => 0)
    this.#times.push(performance.now() - since)
    if (status !== 200) this.#failed++
  }

  /** Adds to the time, in milliseconds, in which the requests were sent. */
  took(milliseconds: number): void {
    this.#elapsed += milliseconds
  }

  load(): Load {
    const times = Float64Array.from(this.#times).sort()
    const at = (q: number): number => times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? NaN
    return {
      requests: times.length,
      failed: this.#failed,
      perSecond: times.length / (this.#elapsed / 1000),
      p50: at(0.5),
      p99: at(0.99),
      max: at(1),
    }
  }
}
