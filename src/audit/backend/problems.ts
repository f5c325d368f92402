/** What a backend says about events that it could not record. */
export interface Problems {
  /** `events` events could not be recorded because something failed. */
  failed(events: number, reason: string): void
  /** `events` events were given up because of a limit. */
  dropped(events: number, reason: string): void
  /** Something failed that cost no event so far. `kind` is one of a few fixed words. */
  trouble(kind: string, reason: string): void
}
