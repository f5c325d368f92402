/** Lets a test wait for a condition that something announces, instead of for time to pass. */
export class Watch {
  #waiting: (() => void)[] = []

  /** Something changed: whoever waits looks again. */
  changed(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const look of waiting) look()
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
