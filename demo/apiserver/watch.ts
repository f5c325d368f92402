import type { ServerResponse } from 'node:http'
import type { ApiObject } from './api-object.js'
import type { Json } from './json.js'
import type { ResourceType } from './resources.js'
import type { Selector } from './selectors.js'
import { StatusError } from './status.js'
import type { Change, Store } from './store.js'
import { JSON_TYPE } from './table.js'

export interface WatchOptions {
  readonly type: ResourceType
  /** Empty for all namespaces. */
  readonly namespace: string
  readonly selector: Selector
  /** Where to start: empty or `0` sends first what exists; a version sends what came after it. */
  readonly resourceVersion: string
  readonly timeoutSeconds: number
  /** The object as this client wants it; `first` is true for the first event. */
  readonly shape: (object: ApiObject, first: boolean) => Json
}

/** As k8s.io/apiserver's --min-request-timeout, which bounds a watch that names no time. */
export const DEFAULT_WATCH_SECONDS = 1800
/** A client that reads this much too slowly has its watch ended; it will list again. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024

/**
 * Answers with the changes of a type as they happen, one JSON object a line, until the time is over or the client goes.
 * @throws StatusError 400 or 410, before anything is sent
 */
export function serveWatch(res: ServerResponse, store: Store, options: WatchOptions): void {
  const { type, namespace, selector, shape } = options
  const relevant = (change: Change) =>
    change.type === type && (namespace === '' || change.object.metadata.namespace === namespace)
  const missed = startingEvents(store, options, relevant)

  let first = true
  const send = (event: string, object: ApiObject) => {
    if (res.destroyed || res.writableEnded) return
    res.write(`${JSON.stringify({ type: event, object: shape(object, first) })}\n`)
    first = false
    if (res.writableLength > MAX_UNREAD_BYTES) res.destroy()
  }
  const onChange = (change: Change) => {
    const event = relevant(change) ? eventType(change, selector) : undefined
    if (event !== undefined) send(event, change.object)
  }

  res.writeHead(200, { 'content-type': JSON_TYPE, 'cache-control': 'no-cache, private' })
  res.flushHeaders()
  for (const object of missed.existing) send('ADDED', object)
  for (const change of missed.changes) onChange(change)
  const unsubscribe = store.subscribe(onChange)
  const timer = setTimeout(() => res.end(), options.timeoutSeconds * 1000)
  res.once('close', () => {
    unsubscribe()
    clearTimeout(timer)
  })
}

function startingEvents(
  store: Store,
  { type, namespace, selector, resourceVersion }: WatchOptions,
  relevant: (change: Change) => boolean,
): { existing: ApiObject[]; changes: Change[] } {
  if (resourceVersion === '' || resourceVersion === '0') {
    return { existing: store.list(type, namespace).filter(selector), changes: [] }
  }
  if (!/^\d{1,15}$/.test(resourceVersion)) {
    throw StatusError.badRequest(`invalid resource version ${JSON.stringify(resourceVersion)}`)
  }
  return { existing: [], changes: store.since(Number(resourceVersion)).filter(relevant) }
}

/** A change as it looks through a selector: an object that stops matching is gone. */
function eventType({ before, object, deleted }: Change, selector: Selector): string | undefined {
  const was = before !== undefined && selector(before)
  const is = !deleted && selector(object)
  if (was && is) return 'MODIFIED'
  if (is) return 'ADDED'
  return was ? 'DELETED' : undefined
}
