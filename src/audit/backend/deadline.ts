/**
 * Waits for the promise, but no longer than until the deadline is aborted. True if the promise settled in time; one that
 * has settled already counts as in time.
 */
export function settles(promise: Promise<unknown>, deadline: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const giveUp = () => resolve(false)
    const settled = () => {
      deadline.removeEventListener('abort', giveUp)
      resolve(true)
    }
    promise.then(settled, settled)
    if (deadline.aborted) setImmediate(giveUp)
    else deadline.addEventListener('abort', giveUp, { once: true })
  })
}
