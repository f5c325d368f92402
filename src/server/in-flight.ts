/** A request under way that can be ended from outside. */
export interface Stoppable {
  /** True where it may go on for hours: shutdown ends it rather than waits. */
  readonly endless: boolean
  /** Tells the client, unless the response has begun, that this is the last request of its connection. */
  closeConnection(): void
  stop(): void
}

/** The requests under way, for shutdown to wait for. */
export class InFlight {
  readonly #open = new Set<Stoppable>()
  /** True once shutdown has begun. */
  draining = false
  #whenEmpty: (() => void) | undefined

  get size(): number {
    return this.#open.size
  }

  add(request: Stoppable): void {
    this.#open.add(request)
    if (!this.draining) return
    // It came in while the server was draining, over a connection that was still open.
    request.closeConnection()
    if (request.endless) request.stop()
  }

  delete(request: Stoppable): void {
    this.#open.delete(request)
    if (this.#open.size === 0) this.#whenEmpty?.()
  }

  /** Ends what is long-running and waits for the rest; when `deadline` is aborted, ends the rest too. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.draining = true
    for (const request of [...this.#open]) {
      // Or the client would send its next request into a connection that is about to close, and never know its fate.
      request.closeConnection()
      if (request.endless) request.stop()
    }
    await this.#empty(deadline)
    for (const request of [...this.#open]) request.stop()
    await this.#empty(AbortSignal.timeout(1000))
  }

  async #empty(deadline: AbortSignal): Promise<void> {
    if (this.#open.size === 0 || deadline.aborted) return
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve
      deadline.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#whenEmpty = undefined
  }
}
