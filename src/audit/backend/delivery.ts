/** Ends a delivery before its time. */
export interface DeliverySignals {
  /** No further attempt is made, and no wait for one goes on; one that is under way may end. */
  readonly stopRetrying: AbortSignal
  /** An attempt that is under way is ended as well. */
  readonly abandon: AbortSignal
  /** Called when an attempt has failed, before stopRetrying is looked at. */
  readonly onFailure?: () => void
}

/** Sends lines to a receiver, and sends them again where that fails. */
export interface Delivery {
  /** Whether the last attempt of one delivery failed. */
  readonly isFailing: boolean
  /** Resolves with how many of the lines have arrived, and why not all of them. It never rejects. */
  deliver(
    lines: readonly Buffer[],
    signals: DeliverySignals,
  ): Promise<{ readonly delivered: number; readonly reason: string }>
}
