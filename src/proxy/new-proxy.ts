import { Registry } from 'prom-client'
import { LocalIntake } from '../audit/backend/local-intake.js'
import { AuditMetrics } from '../audit/metrics.js'
import type { ProxyOptions } from './options.js'
import { Configuration } from './configuration.js'
import { Delivery } from './delivery.js'
import { RecordingArchive } from '../sessions/archive.js'
import { Proxy, type Opened, type ProxyEnvironment } from './proxy.js'
import { RequestPath } from './request-path.js'
import { DRAIN_SHARE } from './shutdown-options.js'

/**
 * The proxy that the options describe, in this process alone, ready to start.
 * @throws ConfigError
 */
export async function newProxy(options: ProxyOptions, environment: ProxyEnvironment): Promise<Proxy> {
  const opened = await openProxy(options, environment)
  const { configuration, delivery, registry, sockets } = opened
  const front = new RequestPath(options, {
    ...opened,
    configuration,
    intake: new LocalIntake(delivery.backend, delivery.mode !== 'batch'),
    processes: 1,
    socket: { fd: sockets.secure },
  })
  const metricsText = () => registry.metrics()
  return new Proxy(options, opened, { front, readyChecks: [], metricsText, drainShare: DRAIN_SHARE })
}

/**
 * Reads all files that the options name, and opens the backends.
 * @throws ConfigError; then nothing is left open
 */
export async function openProxy(options: ProxyOptions, environment: ProxyEnvironment): Promise<Opened> {
  const { log } = environment
  const registry = new Registry()
  const metrics = new AuditMetrics(registry)
  const configuration = await Configuration.read(options, registry, log)
  let archive: RecordingArchive | undefined
  try {
    archive = options.sessions && (await RecordingArchive.open(options.sessions, registry, log))
    const delivery = await Delivery.open(options, configuration, metrics, log)
    if (delivery.fileSeal !== undefined) archive?.sealedBy(delivery.fileSeal)
    return { ...environment, registry, metrics, configuration, delivery, archive }
  } catch (err) {
    await archive?.stop()
    await configuration.stop()
    throw err
  }
}
