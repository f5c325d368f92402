/** Whoever can say later that a recording is what it was. Paths are those of events, relative to the recordings' directory. */
export interface RecordingSeal {
  /** Whether it has been sealed, also by an earlier process. */
  isSealed(path: string): Promise<boolean>
  /** Seals a recording that is finished, compressed or not. Resolves with false where that has to be tried again. */
  seal(path: string, file: string): Promise<boolean>
  /** Retention is about to remove it. */
  removing(path: string): Promise<void>
}

/** Nobody seals. */
export const UNSEALED: RecordingSeal = {
  isSealed: () => Promise.resolve(true),
  seal: () => Promise.resolve(true),
  removing: () => Promise.resolve(),
}
