/** What a webhook and its spool count. */
export interface DeliveryMetrics {
  observeBatch(plugin: string, success: boolean): void
  observeDelivery(plugin: string, seconds: number): void
  observeRetry(plugin: string): void
  /** So many files of a spool were found to be damaged; 0 shows the counter. */
  observeDamagedSegments(plugin: string, segments: number): void
  /** Shows the size of a spool until the function it returns is called. */
  showSpool(plugin: string, bytes: () => number): () => void
}
