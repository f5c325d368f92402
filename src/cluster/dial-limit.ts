import { systemTimers, type Timer, type Timers } from '../timers.js'
import { CONNECT_TIMEOUT, type Dial } from './dial.js'

/** Connections that are being opened to one cluster at a time. */
const MAX_DIALING = 32
/** Those that wait for their turn, beyond which none is opened any more. */
const MAX_WAITING = 4096

interface Waiting {
  readonly go: () => void
  readonly timer: Timer
}

/**
 * Opens few connections at a time: an apiserver that is slow or comes back gets the handshakes of all its clients one
 * after the other, and clients that give up and come again do not add to them. Who has waited for as long as a connection
 * may take to open has failed to connect.
 */
export class DialLimit {
  #dialing = 0
  readonly #waiting = new Set<Waiting>()
  readonly #timers: Timers

  constructor(timers: Timers = systemTimers) {
    this.#timers = timers
  }

  /** The same, but within the limit that all have together who are limited here. */
  limited(dial: Dial): Dial {
    return async () => {
      if (this.#dialing < MAX_DIALING) this.#dialing++
      else await this.#turn()
      try {
        return await dial()
      } finally {
        this.#next()
      }
    }
  }

  /** Resolves when it is this one's turn, which it has taken over from somebody who is done. */
  #turn(): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING)
      return Promise.reject(new Error(`${MAX_WAITING} connections wait to be opened`))
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiting.delete(one)
        reject(new Error(`no connection could be opened within ${CONNECT_TIMEOUT} ms`))
      }
      const one: Waiting = { go: resolve, timer: this.#timers.after(CONNECT_TIMEOUT, giveUp, true) }
      this.#waiting.add(one)
    })
  }

  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#dialing--
      return
    }
    this.#waiting.delete(first)
    first.timer.cancel()
    first.go()
  }
}
