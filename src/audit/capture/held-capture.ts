import type { Awaitable } from '../../awaitable.js'
import type { CapturedBody } from '../captured-body.js'
import { type BodyQuestion, type BodyReader, isStatusOnly, type ReadBody } from './body-reader.js'
import type { BodyCapture } from './capture.js'
import type { CaptureBudget } from './capture-budget.js'
import { HeldBody } from './held-body.js'
import { type BodyKind, type CaptureLimit, truncatedAnnotations } from './limits.js'
import { mayBeStatus, STATUS_PREFIX_BYTES } from './read-status.js'
import type { ReadingJob, Readings } from './threads/readings.js'

/** Bodies of up to so many bytes are read at once: reading the worst of them takes a few milliseconds. */
export const READ_AT_ONCE_BYTES = 32768
/** Where nobody knows whether kube-apiserver has read a body, it is recorded up to so many times the size that it came in. */
export const UNCLEAR_GROWTH = 8

/** What all captures share. */
export interface CaptureEnvironment {
  /** The cap on one body as it comes, as it is decoded, and as it is recorded; in bytes. */
  readonly maxBodyBytes: number
  readonly budget: CaptureBudget
  /** Reads small bodies at once. */
  readonly reader: BodyReader
  /** Reads the others, and those that `reader` has no converter for, while this thread goes on. */
  readonly readings: Readings
  /** A body was left out. */
  readonly onTruncated: (kind: BodyKind, limit: CaptureLimit) => void
}

const NOTHING: CapturedBody = {}

/** Holds a body, as much of it as is wanted, and has it read when it has ended. */
export class HeldCapture implements BodyCapture {
  readonly #question: BodyQuestion
  readonly #environment: CaptureEnvironment
  readonly #held: HeldBody
  readonly #statusOnly: boolean
  /** Whether chunks are still of interest. */
  #open = true
  #result: Awaitable<CapturedBody> = NOTHING
  /** A body that is wanted for its Status alone is looked at when so many bytes are held. */
  #lookAt = 0
  #job: ReadingJob | undefined
  readonly #user: string

  /** @param user whose request it is */
  constructor(question: BodyQuestion, user: string, environment: CaptureEnvironment) {
    this.#question = question
    this.#environment = environment
    this.#user = user
    const { maxBodyBytes, budget } = environment
    this.#statusOnly = isStatusOnly(question.wants)
    this.#held = new HeldBody(
      this.#statusOnly ? Math.min(STATUS_PREFIX_BYTES, maxBodyBytes) : maxBodyBytes,
      budget.hold(user, () => this.#giveWay()),
    )
  }

  write(chunk: Buffer): void {
    if (!this.#open) return
    if (this.#statusOnly && this.#held.bytes === 0) {
      // Most answers are none, and take no memory from others.
      if (!this.#mayBeStatus(chunk)) return this.#close(NOTHING)
      this.#lookAt = chunk.length * 2
    }
    const limit = this.#held.add(chunk)
    if (limit !== undefined) {
      const prefix = this.#held.first(STATUS_PREFIX_BYTES)
      const room = STATUS_PREFIX_BYTES - prefix.length
      this.#leaveOutUnread(limit, room > 0 ? Buffer.concat([prefix, chunk.subarray(0, room)]) : prefix)
    } else if (this.#statusOnly && this.#held.bytes >= this.#lookAt) {
      this.#lookAt = this.#held.bytes * 2
      if (!this.#mayBeStatus(this.#held.first(STATUS_PREFIX_BYTES))) this.#close(NOTHING)
    }
  }

  end(complete: boolean, clear = true): Awaitable<CapturedBody> {
    if (!this.#open) return this.#result
    if (this.#held.bytes === 0) this.#close(NOTHING)
    else if (!complete) this.#close(this.#readPrefix())
    else this.#readWhole(clear ? undefined : UNCLEAR_GROWTH)
    return this.#result
  }

  discard(): void {
    this.#job?.cancel()
    this.#close(NOTHING)
  }

  #mayBeStatus(prefix: Buffer): boolean {
    const { encoding, contentEncoding } = this.#question
    return mayBeStatus(prefix.subarray(0, STATUS_PREFIX_BYTES), encoding, contentEncoding)
  }

  #close(result: Awaitable<CapturedBody>): void {
    this.#open = false
    this.#result = result
    this.#held.free()
  }

  #readWhole(maxGrowth: number | undefined): void {
    const { reader, readings } = this.#environment
    const atOnce = this.#held.bytes <= READ_AT_ONCE_BYTES && this.#question.contentEncoding === 'identity'
    const read = atOnce ? reader.read(this.#held.concat(), this.#question, maxGrowth) : undefined
    if (read !== undefined) {
      this.#close(this.#answer(read))
      return
    }
    this.#open = false
    this.#job = readings.read(this.#user, this.#held.concat(), this.#question, maxGrowth)
    this.#result = this.#job.done.then((read) => {
      const answer = this.#answer(read, this.#held.first(STATUS_PREFIX_BYTES))
      this.#held.free()
      return answer
    })
  }

  /** Others need the memory. */
  #giveWay(): void {
    if (this.#job === undefined) this.#leaveOutUnread('total', this.#held.first(STATUS_PREFIX_BYTES))
    else this.#job.cancel()
    this.#held.free()
  }

  #leaveOutUnread(limit: CaptureLimit, prefix: Buffer): void {
    this.#close({ ...this.#environment.reader.readPrefix(prefix, this.#question), ...this.#leaveOut(limit) })
  }

  #readPrefix(): CapturedBody {
    return this.#environment.reader.readPrefix(this.#held.first(STATUS_PREFIX_BYTES), this.#question)
  }

  /** @param prefix the beginning of the body, in case nobody came to read it */
  #answer(read: ReadBody | CaptureLimit, prefix?: Buffer): CapturedBody {
    if (typeof read !== 'string') {
      const { found, leftOut } = read
      return leftOut === undefined ? found : { ...found, ...this.#leaveOut(leftOut) }
    }
    const found = prefix === undefined ? NOTHING : this.#environment.reader.readPrefix(prefix, this.#question)
    return { ...found, ...this.#leaveOut(read) }
  }

  /** `limit` leaves the body out. Where the object was wanted the event says so. */
  #leaveOut(limit: CaptureLimit): CapturedBody {
    const { wants, kind } = this.#question
    const { onTruncated, maxBodyBytes, budget } = this.#environment
    if (!wants.object) return NOTHING
    onTruncated(kind, limit)
    return { annotations: truncatedAnnotations(kind, limit, { body: maxBodyBytes, total: budget.limit }) }
  }
}
