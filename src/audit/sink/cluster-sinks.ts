import type { Dispatcher } from 'undici'
import type { Logger } from 'pino'
import { errorMessage } from '../../errors.js'
import { systemTimers, type Timers } from '../../timers.js'
import type { ReviewClient } from '../../cluster/reviews.js'
import { parseAuditSink, type AuditSink } from './audit-sink.js'
import type { SinkLog } from './sink-log.js'
import { MAX_SINKS, type SinkSet } from './sink-set.js'

const SOURCE = 'audit-dynamic-configuration'
const PATH = '/apis/auditregistration.k8s.io/v1alpha1/auditsinks'
const TYPE = { apiVersion: 'auditregistration.k8s.io/v1alpha1', kind: 'AuditSink' }
const MAX_LIST = 16 << 20
/** etcd keeps no larger object. */
const MAX_WATCH_EVENT = 4 << 20
/** Milliseconds that a list, and the head of a watch, may take. */
const ANSWER_TIMEOUT = 30_000
/** Seconds after which the apiserver ends a watch, and a new one begins. */
const WATCH_SECONDS = 300
/** Milliseconds: a watch without events that ends sooner is a failure (k8s.io/client-go/tools/cache/reflector.go). */
const SHORT_WATCH = 1000
/** Milliseconds until the next attempt after a failure. */
const FAILED_WAIT = { first: 1000, most: 30_000 }
/** And where the cluster has no AuditSinks: many never will, others get them right after the proxy has been started. */
const ABSENT_WAIT = { first: 5000, most: 60_000 }

/** How many sinks of a list are looked at, usable or not: it may have any number. */
const MAX_TRIED = 4 * MAX_SINKS
/** Milliseconds until sinks that were refused are looked at again, when one that is served has gone. */
const ROOM_WAIT = 10_000

/** There is room for sinks that were refused. */
class Room extends Error {}
/** The apiserver's answer says that what was known is out of date. */
class Outdated extends Error {}
/** The cluster does not know the resource. */
class Absent extends Error {}

/**
 * The AuditSinks that are objects of the cluster, by list and watch as client-go's reflector does it. While the apiserver
 * cannot be asked, the sinks that are known stay in force.
 */
export class ClusterSinks {
  readonly #client: ReviewClient
  readonly #set: SinkSet
  readonly #log: Logger
  readonly #sinkLog: SinkLog
  readonly #timers: Timers
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #problem: string | undefined
  /** The cluster has sinks that are not served, as there are too many. */
  #hasRefused = false

  /** @param client with the proxy's own credentials */
  constructor(
    client: ReviewClient,
    set: SinkSet,
    { log, sinkLog }: { readonly log: Logger; readonly sinkLog: SinkLog },
    timers: Timers = systemTimers,
  ) {
    this.#client = client
    this.#set = set
    this.#log = log
    this.#sinkLog = sinkLog
    this.#timers = timers
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the proxy is shutting down'))
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let failed = FAILED_WAIT.first
    let absent = ABSENT_WAIT.first
    while (!signal.aborted) {
      try {
        let version = await this.#list()
        this.#say(undefined)
        failed = FAILED_WAIT.first
        absent = ABSENT_WAIT.first
        while (!signal.aborted) version = await this.#watch(version)
      } catch (err) {
        if (signal.aborted) return
        if (err instanceof Outdated) await this.#sleep(FAILED_WAIT.first)
        else if (err instanceof Room) await this.#sleep(ROOM_WAIT)
        else if (err instanceof Absent) {
          this.#set.setAll(SOURCE, [])
          this.#say('the cluster has no resource auditsinks.auditregistration.k8s.io')
          await this.#sleep(absent)
          absent = Math.min(absent * 2, ABSENT_WAIT.most)
        } else {
          this.#say(errorMessage(err))
          await this.#sleep(failed)
          failed = Math.min(failed * 2, FAILED_WAIT.most)
        }
      }
    }
  }

  /** Makes the cluster's sinks those of now. @returns the version from which to watch */
  async #list(): Promise<string> {
    const body = await this.#get(PATH)
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_LIST) throw new Error(`GET ${PATH}: the answer is larger than ${MAX_LIST} bytes`)
      chunks.push(chunk)
    }
    const list = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
      metadata?: { resourceVersion?: string }
      items?: WatchEvent['object'][]
    }
    this.#setAll(list.items ?? [])
    return list.metadata?.resourceVersion ?? '0'
  }

  /** Those that are served stay, and others come as long as there is room. */
  #setAll(items: readonly WatchEvent['object'][]): void {
    const sinks: AuditSink[] = []
    const unusable: string[] = []
    const isServed = (item: WatchEvent['object']) => this.#set.has(SOURCE, nameOf(item))
    const inOrder = [...items.filter(isServed), ...items.filter((item) => !isServed(item))]
    let served = 0
    let tried = 0
    for (const item of inOrder) {
      if (served === MAX_SINKS || tried === MAX_TRIED) break
      tried++
      // The items of a list do without these.
      const sink = this.#parse({ ...item, ...TYPE })
      if (sink !== undefined) sinks.push(sink)
      else unusable.push(nameOf(item))
      if (sink !== undefined || isServed(item)) served++
    }
    this.#set.setAll(SOURCE, sinks, unusable)
    this.#hasRefused = tried < items.length
    this.#set.refuse(SOURCE, items.length - tried)
  }

  /** Follows changes until the apiserver ends the watch. @returns the version from which to go on */
  async #watch(from: string): Promise<string> {
    const query = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(WATCH_SECONDS),
    })
    const body = await this.#get(`${PATH}?${query.toString()}`)
    let version = from
    let events = 0
    const start = performance.now()
    for await (const line of lines(body as AsyncIterable<Buffer>)) {
      version = this.#apply(line) ?? version
      events++
    }
    if (events === 0 && performance.now() - start < SHORT_WATCH)
      throw new Error(`watch ${PATH}: ended at once`)
    return version
  }

  /** @returns the version that the event has brought */
  #apply(line: string): string | undefined {
    const { type, object } = JSON.parse(line) as WatchEvent
    switch (type) {
      case 'ADDED':
      case 'MODIFIED': {
        if (!this.#set.has(SOURCE, nameOf(object)) && this.#set.room(SOURCE) <= 0) {
          this.#hasRefused = true
          this.#set.refuse(SOURCE, 1)
          break
        }
        const sink = this.#parse(object)
        if (sink !== undefined) this.#set.set(SOURCE, sink)
        break
      }
      case 'DELETED':
        this.#set.delete(SOURCE, nameOf(object))
        if (this.#hasRefused && this.#set.room(SOURCE) > 0) throw new Room()
        break
      case 'BOOKMARK':
        break
      default:
        if (object.code === 410) throw new Outdated()
        throw new Error(`watch ${PATH}: ${String(object.message).slice(0, 300)}`)
    }
    return object.metadata?.resourceVersion
  }

  /** undefined for one that cannot be used, which is logged; the sink that had its name stays in force. */
  #parse(object: WatchEvent['object']): AuditSink | undefined {
    try {
      return parseAuditSink(JSON.stringify(object), `auditsink ${nameOf(object)}`)
    } catch (err) {
      this.#sinkLog.unusable(errorMessage(err))
      return undefined
    }
  }

  async #get(path: string): Promise<Dispatcher.ResponseData['body']> {
    const { dispatcher, origin, pathPrefix } = this.#client.connections
    const authorization = await this.#client.authorization()
    const { statusCode, body } = await dispatcher.request({
      origin,
      path: pathPrefix + path,
      method: 'GET',
      headers: {
        accept: 'application/json',
        'user-agent': 'kube-audit-proxy',
        ...(authorization !== undefined && { authorization }),
      },
      headersTimeout: ANSWER_TIMEOUT,
      bodyTimeout: (WATCH_SECONDS + 30) * 1000,
      signal: this.#stop.signal,
    })
    if (statusCode === 200) return body
    await body.dump({ limit: 64 * 1024 })
    if (statusCode === 401) this.#client.invalidate?.(authorization)
    if (statusCode === 404) throw new Absent()
    if (statusCode === 410) throw new Outdated()
    throw new Error(`GET ${PATH}: the apiserver answered ${statusCode}`)
  }

  /** Each problem is said when it begins, and its end as well. */
  #say(problem: string | undefined): void {
    if (problem === this.#problem) return
    this.#problem = problem
    if (problem === undefined) this.#log.info('audit sinks of the cluster are watched')
    else this.#log.warn(`audit sinks of the cluster cannot be watched: ${problem}`)
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel()
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = this.#timers.after(ms, wake, true)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}

interface WatchEvent {
  readonly type: string
  readonly object: {
    readonly metadata?: { readonly name?: string; readonly resourceVersion?: string }
    readonly code?: number
    readonly message?: string
  }
}

function nameOf({ metadata }: WatchEvent['object']): string {
  return String(metadata?.name)
}

async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = rest.toString('utf8', 0, end).trim()
      rest = rest.subarray(end + 1)
      if (line !== '') yield line
    }
    if (rest.length > MAX_WATCH_EVENT)
      throw new Error(`watch ${PATH}: an event is larger than ${MAX_WATCH_EVENT} bytes`)
  }
}
