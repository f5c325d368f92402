import { errorMessage } from '../errors.js'
import type { TunnelControl, TunnelWatcher } from '../tunnel-watcher.js'
import { formatDuration } from '../cli/values.js'
import { systemTimers, type Timer, type Timers } from '../timers.js'
import { SESSION_ANNOTATIONS, type Annotations } from './annotations.js'
import { headerLine, type SessionMetadata, type TerminalSize } from './asciicast.js'
import type { CastFile } from './cast-file.js'
import type { RecordingResult, SessionMetrics } from './metrics.js'
import type { RecordingMode } from './options.js'
import { sessionProtocol } from './protocol.js'
import type { ChannelSink, Connected, FarewellStatus, SessionStream } from './session-stream.js'
import { SPDYStream } from './spdy-stream.js'
import { StreamError } from './stream-error.js'
import { Transcript } from './transcript.js'
import { WebSocketStream } from './websocket-stream.js'

/** Milliseconds in which the message under way has to end, where a session is ended. */
const LAST_MESSAGE = 1000
const NOTHING = Buffer.alloc(0)

export interface RecordingOptions {
  readonly mode: RecordingMode
  /** 0: no limit. */
  readonly maxBytes: number
  readonly metrics: SessionMetrics
  /** Says that a session was not recorded whole. */
  readonly warn: (reason: string) => void
}

/** A session and its recording, as whoever serves the request sees them. */
export interface RecordedSession {
  readonly watcher: TunnelWatcher | undefined
  /** For the event that says that the session has begun. */
  readonly annotations: Annotations
  /**
   * The session is over: finishes the recording. Never rejects.
   * @param reason why, where the session does not say itself
   * @returns for the session's last event
   */
  end(reason: string): Promise<Annotations>
}

/** A session that goes on without being recorded. */
export function unrecorded(reason: string): RecordedSession {
  const annotations = { [SESSION_ANNOTATIONS.incomplete]: reason }
  return { watcher: undefined, annotations, end: () => Promise.resolve(annotations) }
}

/**
 * Records a session as its bytes pass. Where that is no longer possible, it ends the session or lets it go on, as the mode
 * says.
 */
export class Recording implements RecordedSession, TunnelWatcher {
  readonly #transcript: Transcript
  readonly #startedAt = performance.now()
  #control: TunnelControl | undefined
  #stream: SessionStream | undefined
  /** Whether what passes is recorded. */
  #recording = true
  /** Why not all of it is. */
  #failure: string | undefined
  /** Whether the next end of a message is the session's end. */
  #ending = false
  #inUpstream = false
  /** Whether everything that passed from the upstream were whole messages. */
  #whole = true
  #held = false
  #sized = false
  #lastMessage: Timer | undefined

  readonly #file: CastFile
  readonly #metadata: SessionMetadata
  readonly #connected: Connected
  readonly #options: RecordingOptions
  readonly #timers: Timers

  /**
   * @param file that has its header
   * @param startedAt milliseconds since the Unix epoch, as in the header
   */
  constructor(
    file: CastFile,
    metadata: SessionMetadata,
    connected: Connected,
    startedAt: number,
    options: RecordingOptions,
    timers: Timers = systemTimers,
  ) {
    this.#file = file
    this.#metadata = metadata
    this.#connected = connected
    this.#options = options
    this.#timers = timers
    this.#transcript = new Transcript({
      tty: metadata.tty,
      input: metadata.input,
      elapsed: () => this.#elapsed,
      line: (line) => file.append(line),
      resized: (size) => this.#resized(size, startedAt),
    })
    file.observe({
      drained: () => this.#release(),
      failed: (err) => {
        this.#release()
        this.#fail(errorMessage(err))
      },
    })
    options.metrics.observeBegin()
  }

  get watcher(): TunnelWatcher {
    return this
  }

  get annotations(): Annotations {
    return { [SESSION_ANNOTATIONS.recording]: this.#file.path }
  }

  joined(headers: readonly string[], control: TunnelControl): void {
    this.#control = control
    const protocol = sessionProtocol(headers)
    const sink: ChannelSink = {
      data: (channel, bytes) => {
        if (this.#recording) this.#transcript.data(channel, bytes)
      },
    }
    switch (protocol.kind) {
      case 'websocket':
        this.#stream = new WebSocketStream(protocol, this.#connected, sink)
        break
      case 'spdy':
        this.#stream = new SPDYStream(protocol.version, sink)
        break
      case 'tunnel':
        this.#stop('the connection carries forwarded ports')
        break
      case 'unknown':
        this.#fail(protocol.reason)
    }
    // The disk may have failed meanwhile.
    if (this.#ending) this.#endNow()
  }

  fromClient(chunk: Buffer): void {
    if (this.#stream === undefined) return
    try {
      this.#stream.fromClient(chunk)
    } catch (err) {
      this.#unreadable(err)
    }
    this.#keepUp()
  }

  fromUpstream(chunk: Buffer): Buffer {
    const stream = this.#stream
    if (stream === undefined) return chunk
    this.#inUpstream = true
    let readable = true
    try {
      stream.fromUpstream(chunk)
    } catch (err) {
      readable = false
      this.#unreadable(err)
    }
    const { boundary } = stream
    this.#whole = readable && boundary === chunk.length
    this.#keepUp()
    this.#inUpstream = false
    if (!this.#ending) return chunk
    if (boundary < 0) {
      if (!readable) this.#finish(NOTHING)
      return readable ? chunk : NOTHING
    }
    this.#finish(this.#farewell())
    return chunk.subarray(0, boundary)
  }

  async end(reason: string): Promise<Annotations> {
    this.#lastMessage?.cancel()
    const { metrics } = this.#options
    metrics.observeEnd()
    // Not one that was refused: there was no session.
    if (this.#control === undefined) return this.#discard()
    this.#recording = false
    const elapsed = this.#elapsed
    const { exitCode } = this.#transcript.end(this.#failure ?? reason)
    const ended: Record<string, string> = {
      ...this.annotations,
      [SESSION_ANNOTATIONS.duration]: formatDuration(Math.round(elapsed)),
      ...(exitCode === undefined ? {} : { [SESSION_ANNOTATIONS.exitCode]: String(exitCode) }),
    }
    try {
      const { bytes, sha256 } = await this.#file.finish()
      metrics.observeBytes(bytes)
      Object.assign(ended, {
        [SESSION_ANNOTATIONS.bytes]: String(bytes),
        [SESSION_ANNOTATIONS.sha256]: sha256,
      })
    } catch (err) {
      this.#failed(errorMessage(err))
    }
    if (this.#failure !== undefined) ended[SESSION_ANNOTATIONS.incomplete] = this.#failure
    metrics.observeResult(this.#result())
    return ended
  }

  #result(): RecordingResult {
    if (this.#failure === undefined) return 'recorded'
    return this.#ending ? 'ended' : 'incomplete'
  }

  async #discard(): Promise<Annotations> {
    try {
      await this.#file.discard()
    } catch (err) {
      this.#options.warn(errorMessage(err))
    }
    return {}
  }

  get #elapsed(): number {
    return performance.now() - this.#startedAt
  }

  /** The header has the size that the terminal had at first. */
  #resized(size: TerminalSize, startedAt: number): void {
    if (!this.#sized) this.#file.replaceHeader(headerLine(this.#metadata, startedAt, size))
    this.#sized = true
  }

  #unreadable(err: unknown): void {
    if (!(err instanceof StreamError)) throw err
    this.#fail(err.message)
    // Of one that is to be ended the end of a message is still looked for.
    if (!this.#ending) this.#stream = undefined
  }

  /** Waits for the disk, or ends what has become too long. */
  #keepUp(): void {
    if (!this.#recording) return
    const { maxBytes } = this.#options
    if (maxBytes > 0 && this.#file.size > maxBytes)
      return this.#fail(`the recording has reached its limit of ${maxBytes} bytes`)
    if (!this.#file.full || this.#held) return
    this.#held = true
    this.#control?.hold()
  }

  #release(): void {
    if (!this.#held) return
    this.#held = false
    this.#control?.release()
  }

  /** Not all of the session can be recorded. */
  #fail(reason: string): void {
    if (!this.#recording) return
    this.#stop(reason)
    if (this.#options.mode === 'strict') {
      this.#ending = true
      if (!this.#inUpstream) this.#endNow()
    }
  }

  /** Records no more. */
  #stop(reason: string): void {
    this.#transcript.note({ kind: 'stopped', reason })
    this.#recording = false
    this.#failed(reason)
  }

  #failed(reason: string): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    this.#options.warn(reason)
  }

  #endNow(): void {
    if (this.#control === undefined) return
    if (this.#stream === undefined) return this.#finish(NOTHING)
    if (this.#whole) return this.#finish(this.#farewell())
    this.#lastMessage ??= this.#timers.after(LAST_MESSAGE, () => this.#finish(NOTHING))
  }

  #finish(last: Buffer): void {
    this.#lastMessage?.cancel()
    this.#stream = undefined
    this.#control?.finish(last)
  }

  #farewell(): Buffer {
    const message = `the session is ended: it can no longer be recorded: ${this.#failure}`
    const status: FarewellStatus = {
      message,
      json: JSON.stringify({
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message,
        reason: 'InternalError',
        code: 500,
      }),
    }
    return this.#stream?.farewell(`\r\nkube-audit-proxy: ${message}\r\n`, status) ?? NOTHING
  }
}
