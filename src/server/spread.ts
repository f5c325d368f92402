import type { Timers } from '../timers.js'

/** How many are ended in a second at least: k8s.io/apiserver/pkg/server/genericapiserver.go RunWithContext. */
const MIN_RATE = 200
/** Milliseconds between two looks at what is due. */
const TICK = 5

/**
 * Ends requests one after the other, as fast as must be to be done within the grace period, but no slower than 200 in a
 * second: so many clients that start their watches again do not all come to the same server at once
 * (k8s.io/apimachinery/pkg/util/waitgroup RateLimitedSafeWaitGroup).
 *
 * @param gracePeriod milliseconds
 * @param signal when it is aborted, what is left is for somebody else to end
 */
export function stopSpread(
  requests: readonly { stop(): void }[],
  gracePeriod: number,
  signal: AbortSignal,
  timers: Timers,
): void {
  const perMillisecond = Math.max(MIN_RATE / 1000, requests.length / gracePeriod)
  const begun = timers.now()
  let stopped = 0
  const stopDue = (): void => {
    if (signal.aborted) return
    const due = Math.floor((timers.now() - begun) * perMillisecond) + 1
    for (const request of requests.slice(stopped, due)) request.stop()
    stopped = due
    if (stopped < requests.length) timers.after(TICK, stopDue)
  }
  stopDue()
}
