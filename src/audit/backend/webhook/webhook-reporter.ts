/** What the webhook and its spool say about events that they could not record. */
export interface Problems {
  /** `events` events could not be recorded because something failed. */
  failed(events: number, reason: string): void
  /** `events` events were given up because of a limit. */
  dropped(events: number, reason: string): void
  /** Something failed that cost no event so far. `kind` is one of a few fixed words. */
  trouble(kind: string, reason: string): void
}

/** What they count besides. */
export interface DeliveryMetrics {
  observeBatch(plugin: string, success: boolean): void
  observeDelivery(plugin: string, seconds: number): void
  observeRetry(plugin: string): void
  /** Shows the size of a spool until the function it returns is called. */
  showSpool(plugin: string, bytes: () => number): () => void
}
