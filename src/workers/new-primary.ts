import type { ProxyOptions } from '../proxy/options.js'
import { openProxy } from '../proxy/new-proxy.js'
import { Proxy, type ProxyEnvironment } from '../proxy/proxy.js'
import { EventStore } from './event-store.js'
import { WorkerPool } from './pool.js'
import { SummedMetrics } from './summed-metrics.js'

/** How much of --shutdown-timeout workers may take: each keeps a quarter of it for its events; what is left then is for the backends. */
const DRAIN_SHARE = 0.9

export interface PrimaryOptions {
  /** The command line, which each worker reads for itself. */
  readonly args: readonly string[]
  /** The proxy cannot go on, and is to be shut down, so that a supervisor starts it again. */
  readonly onLost: () => void
}

/**
 * The proxy as several processes: this one has the audit backends, so that there is one log, and health and metrics; it
 * tells the workers, which serve the requests, what to do. It reads configuration files first, so that what is bad is
 * said once and reaches no worker.
 *
 * @throws ConfigError
 */
export async function newPrimary(
  options: ProxyOptions & { readonly workers: number },
  environment: ProxyEnvironment,
  { args, onLost }: PrimaryOptions,
): Promise<Proxy> {
  const opened = await openProxy(options, environment)
  const { archive, configuration, delivery, log, metrics, redactionKey, registry, sockets } = opened
  const summed = new SummedMetrics(registry)
  const pool = new WorkerPool(
    {
      workers: options.workers,
      args,
      redactionKey,
      mode: delivery.mode,
      port: options.serving.port,
      fd: sockets.secure,
      store: new EventStore(delivery, metrics),
      onLost,
      log,
    },
    (report, pid) => {
      summed.retire(report)
      void archive?.workerGone(pid)
    },
  )
  summed.show(pool)
  configuration.reloader.onReloaded((name) => pool.reload(name))
  const someWorker = {
    name: 'workers',
    check: () => (pool.serving === 0 ? 'no worker process takes requests' : undefined),
  }
  return new Proxy(options, opened, {
    front: pool,
    readyChecks: [someWorker],
    metricsText: () => summed.text(pool),
    drainShare: DRAIN_SHARE,
  })
}
