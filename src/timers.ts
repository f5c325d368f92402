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
