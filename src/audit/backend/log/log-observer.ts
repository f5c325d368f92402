import type { Awaitable } from '../../../awaitable.js'

/** Told of all that happens to a log file, in its order: whoever seals it. What is awaited holds the log up. */
export interface LogObserver {
  /** The path is open, and leads to this file. Rejects where it leads to another one by now. */
  opened(file: { readonly dev: number; readonly ino: number }): Awaitable<void>
  /** These whole lines are being written at the end of the file. Nobody changes them until `written`. */
  writing(lines: Buffer): void
  /** So many bytes of them are in the file, whole lines. */
  written(bytes: number): void
  /** In place of `written`: somebody else has emptied the file or added to it. It has this size now. */
  disturbed(size: number): Awaitable<void>
  /** The file is to be closed and moved aside. */
  rotating(): Awaitable<unknown>
  /** That is over: it has this name beside the path, or stays where it was. */
  rotated(name: string | undefined): void
  /** A rotated file with this path is to be removed. It never rejects. */
  removing(path: string): Awaitable<void>
  /** Resolves when all that has begun is told and stored: true; or when it cannot be now: false. */
  settled(): Awaitable<boolean>
  /** The log is closed for good. It never rejects. */
  closed(): Awaitable<void>
}

/** Nobody looks. */
export const UNOBSERVED: LogObserver = {
  opened: () => undefined,
  writing: () => undefined,
  written: () => undefined,
  disturbed: () => undefined,
  rotating: () => undefined,
  rotated: () => undefined,
  removing: () => undefined,
  settled: () => true,
  closed: () => undefined,
}
