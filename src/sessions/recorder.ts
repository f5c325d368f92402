import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { errorMessage } from '../errors.js'
import { DEFAULT_SIZE, headerLine } from './asciicast.js'
import { CastFile } from './cast-file.js'
import { SessionMetrics } from './metrics.js'
import type { SessionRecordingOptions } from './options.js'
import { isSession, type LiveSessionPolicy } from './policy.js'
import { Recording, unrecorded, type RecordedSession } from './recording.js'
import { sessionMetadata, sessionOptions, type SessionRequest } from './session-request.js'

/** A session may not begin, because it cannot be recorded. */
export class RecordingRefused extends Error {
  override name = 'RecordingRefused'
}

/** Begins the recordings of sessions. Each is ended by whoever serves its request. */
export class SessionRecorder {
  readonly #metrics: SessionMetrics

  readonly #options: SessionRecordingOptions
  readonly #policy: Pick<LiveSessionPolicy, 'decide'> | undefined
  readonly #log: Logger

  /** @param policy undefined: all sessions are recorded */
  constructor(
    options: SessionRecordingOptions,
    policy: Pick<LiveSessionPolicy, 'decide'> | undefined,
    registry: Registry,
    log: Logger,
  ) {
    this.#options = options
    this.#policy = policy
    this.#log = log
    this.#metrics = new SessionMetrics(registry)
  }

  /**
   * Begins to record what the request asks for, before it goes upstream. Undefined where it is not to be recorded.
   * @throws RecordingRefused where it cannot be recorded, and has to be
   */
  async begin(request: SessionRequest): Promise<RecordedSession | undefined> {
    const { auditID, info, user } = request
    if (!isSession(info)) return undefined
    const all = this.#options.input ? 'InputAndOutput' : 'Output'
    const record = this.#policy?.decide(user, info).record ?? all
    if (record === 'None') return undefined
    const options = sessionOptions(request.rawQuery)
    const metadata = sessionMetadata(request, options, record === 'InputAndOutput' && this.#options.input)
    const { path, mode, maxBytes } = this.#options
    const startedAt = Date.now()
    const warn = (reason: string): void =>
      this.#log.warn({ auditID, user: user.username, reason }, 'a session is not recorded whole')
    try {
      const folder = new Date(startedAt).toISOString().slice(0, 10).replaceAll('-', '/')
      const file = await CastFile.create(path, folder, auditID, headerLine(metadata, startedAt, DEFAULT_SIZE))
      return new Recording(file, metadata, options, startedAt, {
        mode,
        maxBytes,
        metrics: this.#metrics,
        warn,
      })
    } catch (err) {
      const reason = errorMessage(err)
      warn(reason)
      this.#metrics.observeResult(mode === 'strict' ? 'refused' : 'unrecorded')
      if (mode === 'strict') throw new RecordingRefused(`the session cannot be recorded: ${reason}`)
      return unrecorded(reason)
    }
  }
}
