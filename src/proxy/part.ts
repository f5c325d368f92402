import type { Awaitable } from '../awaitable.js'
/**
 * A part of a running proxy that takes part in its life. What a part has nothing to do in, it leaves out. Each step is
 * done by all parts, in their order, before the next one begins.
 */
export interface Part {
  /** Begins to work. Rejects where it cannot. */
  start?(): Awaitable<void>
  /** The end has begun: what the proxy is to others stays as it is from here on, and it says that it is not ready. */
  retire?(): Awaitable<void>
  /** Takes no more requests, and finishes those under way; what is left when `deadline` is aborted is cut off. */
  drain?(deadline: AbortSignal): Promise<void>
  /** No more events come: delivers those that wait, until `deadline` is aborted. */
  flush?(deadline: AbortSignal): Promise<void>
  /** Lets go of what is open. */
  stop?(): Awaitable<void>
}
