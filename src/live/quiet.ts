import { systemTimers, type Timer, type Timers } from '../timers.js'
import { fileState, isSameState, type FileState } from './file-state.js'

/** Milliseconds for which nobody may have written to files before they are read: what is written by and by is not whole. */
const QUIET = 1000
/** Seconds after which it is given up to wait for that. */
const MAX_LOOKS = 60

/** Waits until files are quiet. Closed by its owner. */
export class QuietFiles {
  readonly #timers: Timers
  readonly #sleeping = new Map<Timer, () => void>()
  #closed = false

  constructor(timers: Timers = systemTimers) {
    this.#timers = timers
  }

  /**
   * Resolves with the state that the files have had for a second: size, time, inode and content. Undefined where somebody
   * writes to them for a minute, or after close().
   */
  async wait(files: () => readonly string[]): Promise<FileState | undefined> {
    let state = fileState(files())
    for (let looks = 1; looks <= MAX_LOOKS; looks++) {
      await this.#sleep()
      if (this.#closed) return undefined
      const now = fileState(files())
      if (isSameState(state, now)) return now
      state = now
    }
    return undefined
  }

  close(): void {
    this.#closed = true
    for (const [timer, wake] of this.#sleeping) {
      timer.cancel()
      wake()
    }
    this.#sleeping.clear()
  }

  #sleep(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.#timers.after(
        QUIET,
        () => {
          this.#sleeping.delete(timer)
          resolve()
        },
        true,
      )
      this.#sleeping.set(timer, resolve)
    })
  }
}
