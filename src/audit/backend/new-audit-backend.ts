import type { Logger } from 'pino'
import type { Reloadable } from '../../live/reloadable.js'
import { RateLimitedLog } from '../../rate-limited-log.js'
import { newLineEncoder, type EventVersion } from '../encode.js'
import type { Event } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { WholeFiles } from '../seal/whole-files.js'
import type { Backend } from './backend.js'
import { IgnoreErrorsBackend } from './blocking.js'
import { BUFFERED_PLUGIN, BufferedBackend, estimateBytes } from './buffered.js'
import type { DeliveryHealth } from './delivery-health.js'
import { EncodingBackend } from './encoding.js'
import { PluginProblems } from './plugin-problems.js'
import { Peers } from './peers.js'
import type { ConfiguredBackend, Form, OpenedBackend, PluginDeps } from './plugin.js'
import { TRUNCATE_PLUGIN, TruncateBackend } from './truncate.js'
import { union } from './union.js'

export interface AuditBackendDeps {
  readonly log: Logger
  readonly metrics: AuditMetrics
  /** The health of the plugin of that name, which the backend keeps up to date. */
  health(plugin: string): DeliveryHealth
  /** Told what of the backends is made of files and can be made again. */
  onReloadable(reloadable: Reloadable): void
  /** Told who seals whole files beside the log, where it is sealed. */
  onFileSeal(seal: WholeFiles): void
}

/** The backends as one. */
export interface AuditBackend extends Backend {
  /** Where lines may be handed over that another process has encoded; undefined where a backend needs the events. */
  readonly lines: EncodedLines | undefined
}

export interface EncodedLines {
  readonly version: EventVersion
  readonly backend: Backend<Buffer>
}

/** What V8 keeps of a Buffer besides its bytes. */
const LINE_OVERHEAD = 128

const EVENTS: Form<Event> = { encoder: (encode) => encode, sizeOf: estimateBytes }

/** Lines, as an EncodingBackend makes them. */
const LINES: Form<Buffer> = {
  encoder: () => (line) => line,
  sizeOf: (line) => LINE_OVERHEAD + line.length,
}

/**
 * The union of the backends, each [buffered or ignoreErrors] of [truncate] of the plugin; undefined where there is none.
 * kube-apiserver has truncate outside of buffered, where max-batch-size never sees a batch. Where all write the same
 * lines, which is most often, events are encoded once, before all of these.
 *
 * @throws ConfigError where a file, a kubeconfig or a directory cannot be used; then none is left open
 */
export async function newAuditBackend(
  configured: readonly ConfiguredBackend[],
  deps: AuditBackendDeps,
): Promise<AuditBackend | undefined> {
  const problems = new RateLimitedLog(deps.log)
  const version = commonVersion(configured)
  if (version === undefined) {
    const peers = new Peers<Event>(namesOf(configured), (event) => event)
    const events = await openAll(configured, peers, (one) =>
      openEvents(one, depsOf(one, peers, problems, deps)),
    )
    return events && closing(events, undefined, problems)
  }
  const peers = new Peers<Buffer>(namesOf(configured), newLineEncoder(version))
  const lines = await openAll(configured, peers, (one) => openLines(one, depsOf(one, peers, problems, deps)))
  if (lines === undefined) return undefined
  const errors = new PluginProblems('encoding', deps.metrics, problems)
  const encoding = new EncodingBackend(lines, newLineEncoder(version), errors)
  return closing(encoding, { version, backend: lines }, problems)
}

/** The version of the lines that all backends write; undefined where one needs the event itself, or other lines. */
function commonVersion(configured: readonly ConfiguredBackend[]): EventVersion | undefined {
  if (configured.some(({ delivery, takesLines }) => delivery.truncate.enabled || !takesLines))
    return undefined
  const versions = new Set(configured.map(({ delivery }) => delivery.version))
  return versions.size === 1 ? configured[0]?.delivery.version : undefined
}

function namesOf(configured: readonly ConfiguredBackend[]): string[] {
  return configured.map(({ name }) => name)
}

async function openAll<E>(
  configured: readonly ConfiguredBackend[],
  peers: Peers<E>,
  open: (one: ConfiguredBackend) => Promise<Backend<E>>,
): Promise<Backend<E> | undefined> {
  const backends: Backend<E>[] = []
  try {
    for (const one of configured) {
      const backend = await open(one)
      backends.push(backend)
      peers.opened(one.name, backend)
    }
  } catch (err) {
    for (const backend of backends) await backend.shutdown(AbortSignal.abort())
    throw err
  }
  const [first, ...others] = backends
  if (first === undefined) return undefined
  const all = union([first, ...others])
  return {
    name: all.name,
    processEvents: (events) => all.processEvents(events),
    shutdown: (deadline) => peers.shutdown(deadline),
  }
}

function depsOf<E>(
  { name }: ConfiguredBackend,
  peers: Peers<E>,
  problems: RateLimitedLog,
  deps: AuditBackendDeps,
): PluginDeps {
  const { log, metrics } = deps
  return {
    log,
    metrics,
    problems,
    health: deps.health(name),
    partHealth: (part) => deps.health(`${name}-${part}`),
    peer: (name) => peers.find(name),
    onReloadable: (reloadable) => deps.onReloadable(reloadable),
    onFileSeal: (seal) => deps.onFileSeal(seal),
  }
}

async function openEvents(configured: ConfiguredBackend, deps: PluginDeps): Promise<Backend> {
  const { name, delivery } = configured
  const opened = await configured.open(EVENTS, deps)
  if (!delivery.truncate.enabled) return inMode(configured, opened, EVENTS, deps)
  const errors = new PluginProblems(TRUNCATE_PLUGIN, deps.metrics, deps.problems, name)
  const encode = newLineEncoder(delivery.version)
  const backend = new TruncateBackend(opened.backend, delivery.truncate, encode, errors, deps.metrics)
  return inMode(configured, { ...opened, backend }, EVENTS, deps)
}

async function openLines(configured: ConfiguredBackend, deps: PluginDeps): Promise<Backend<Buffer>> {
  return inMode(configured, await configured.open(LINES, deps), LINES, deps)
}

/** The backend in the mode that the options ask for: AuditBatchOptions wrapBackend. */
function inMode<E>(
  { name, delivery: { mode, batch } }: ConfiguredBackend,
  { backend, maxInFlight }: OpenedBackend<E>,
  form: Form<E>,
  { metrics, problems }: PluginDeps,
): Backend<E> {
  switch (mode) {
    case 'blocking-strict':
      return backend
    case 'blocking':
      return new IgnoreErrorsBackend(backend)
    case 'batch': {
      if (maxInFlight === undefined) return backend
      const config = {
        plugin: name,
        bufferSize: batch.bufferSize,
        bufferBytes: batch.bufferBytes,
        maxBatchSize: batch.maxSize,
        maxBatchWait: batch.maxWait,
        throttle: batch.throttleEnable ? { qps: batch.throttleQPS, burst: batch.throttleBurst } : undefined,
        maxInFlight,
      }
      const errors = new PluginProblems(BUFFERED_PLUGIN, metrics, problems, name)
      return new BufferedBackend(backend, config, (item) => form.sizeOf(item), errors, metrics)
    }
  }
}

/** The backend, with what was held back in the log of its problems written at the end. */
function closing(backend: Backend, lines: EncodedLines | undefined, problems: RateLimitedLog): AuditBackend {
  return {
    name: backend.name,
    lines,
    processEvents: (events) => backend.processEvents(events),
    async shutdown(deadline) {
      await backend.shutdown(deadline)
      problems.close()
    },
  }
}
