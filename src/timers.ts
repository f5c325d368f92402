/** A cancelled or fired timer is as good as none: cancelling it does nothing. */
export interface Timer {
  cancel(): void
}

/** The clock as far as waiting goes; a test hands in one that it moves by hand. */
export interface Timers {
  /** Milliseconds that only grow, from some moment on. */
  now(): number
  /** Calls `f` once, in `ms` milliseconds. A background timer does not keep the process alive. */
  after(ms: number, f: () => void, background?: boolean): Timer
}

/** Longer than this and setTimeout fires at once. */
const MAX_TIMEOUT = 2 ** 31 - 1

export const systemTimers: Timers = {
  now: () => performance.now(),
  after(ms, f, background = false) {
    const timeout = setTimeout(f, Math.min(ms, MAX_TIMEOUT))
    if (background) timeout.unref()
    return { cancel: () => clearTimeout(timeout) }
  },
}

/** Resolves in `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** A signal that is aborted in `ms` milliseconds, unless it is cancelled before. */
export function deadline(ms: number): { readonly signal: AbortSignal; cancel(): void } {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), ms)
  return { signal: controller.signal, cancel: () => clearTimeout(timer) }
}

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
