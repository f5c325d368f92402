import type { BodyQuestion, ReadBody } from '../body-reader.js'
import type { CaptureLimit } from '../limits.js'

/** A body that is being read elsewhere. */
export interface ReadingJob {
  /** What was read, or the limit that the reading met. It never rejects. */
  readonly done: Promise<ReadBody | CaptureLimit>
  /** The memory is needed for others: if it is not done yet, it is done with `total`. */
  cancel(): void
}

/** Reads bodies while the caller goes on. */
export interface Readings {
  /**
   * @param user whose request it is: users share what there is
   * @param bytes the whole body, which is not changed meanwhile
   * @param maxGrowth as BodyReader.read
   */
  read(user: string, bytes: Buffer, question: BodyQuestion, maxGrowth: number | undefined): ReadingJob
}

/** What is asked of a thread. */
export interface ThreadQuestion {
  readonly bytes: Uint8Array
  readonly question: BodyQuestion
  readonly maxGrowth: number | undefined
}

/** What a thread is started with. */
export interface ThreadSettings {
  readonly maxBodyBytes: number
  /** Undefined: bodies are recorded with the credentials in them. */
  readonly redactionKey: Uint8Array | undefined
}
