import {
  CHANNELS,
  type Channel,
  type ChannelSink,
  type FarewellStatus,
  type SessionStream,
} from './session-stream.js'
import { SPDYHeaders } from './spdy-headers.js'
import { dataFrame, FRAME, SPDYReader, type SPDYSink } from './spdy-reader.js'
import { StreamError } from './stream-error.js'

/** A session has five; clients that open more are up to something. */
const MAX_STREAMS = 64

/**
 * A session over SPDY/3.1: the client opens a stream for each channel and says in its headers which it is
 * (k8s.io/cri-streaming/pkg/streaming/remotecommand/httpstream.go).
 */
export class SPDYStream implements SessionStream {
  readonly #client: SPDYReader
  readonly #upstream: SPDYReader
  /** Undefined for streams that are of no channel, which the kubelet leaves alone. */
  readonly #channels = new Map<number, Channel | undefined>()
  readonly #version: number

  /** @param version of v1 to v4.channel.k8s.io: the last says how a session ended in JSON */
  constructor(version: number, sink: ChannelSink) {
    this.#version = version
    const headers = new SPDYHeaders()
    const pass = (stream: number, bytes: Buffer): void => {
      if (!this.#channels.has(stream)) throw new StreamError('a SPDY stream has data that nobody has opened')
      const channel = this.#channels.get(stream)
      if (channel !== undefined) sink.data(channel, bytes)
    }
    this.#client = new SPDYReader(
      new Direction(pass, (type, payload) => {
        if (type === FRAME.synStream)
          this.#open(payload.readUInt32BE() & 0x7fffffff, headers.read(payload.subarray(10)))
        // They are part of the same zlib stream.
        else if (type === FRAME.headers || type === FRAME.synReply) headers.read(payload.subarray(4))
      }),
    )
    this.#upstream = new SPDYReader(
      new Direction(pass, (type) => {
        if (type === FRAME.synStream) throw new StreamError('the server has opened a SPDY stream')
      }),
    )
  }

  fromClient(chunk: Buffer): void {
    this.#client.push(chunk)
  }

  fromUpstream(chunk: Buffer): void {
    this.#upstream.push(chunk)
  }

  get boundary(): number {
    return this.#upstream.boundary
  }

  farewell(text: string, status: FarewellStatus): Buffer {
    const streams = new Map([...this.#channels].map(([stream, channel]) => [channel, stream]))
    const frames: Buffer[] = []
    const last = (channel: Channel, data: string): void => {
      const stream = streams.get(channel)
      if (stream !== undefined) frames.push(dataFrame(stream, Buffer.from(data), true))
    }
    const shown = streams.has('stderr') ? 'stderr' : 'stdout'
    last('stdout', shown === 'stdout' ? text : '')
    last('stderr', text)
    last('error', this.#version >= 4 ? status.json : status.message)
    return Buffer.concat(frames)
  }

  #open(stream: number, headers: ReadonlyMap<string, string>): void {
    const type = headers.get('streamtype')?.toLowerCase()
    if (this.#channels.size >= MAX_STREAMS) throw new StreamError('a SPDY connection has too many streams')
    // spdystream refuses the second stream of a number, which is then still the first.
    if (this.#channels.has(stream)) return
    this.#channels.set(
      stream,
      CHANNELS.find((channel) => channel === type),
    )
  }
}

/** One direction. How a stream ends is no business of a recording's: the error stream says how the session did. */
class Direction implements SPDYSink {
  constructor(
    readonly data: (stream: number, bytes: Buffer) => void,
    readonly onControl: (type: number, payload: Buffer) => void,
  ) {}

  control(type: number, _flags: number, payload: Buffer): void {
    this.onControl(type, payload)
  }

  fin(): void {
    // As above.
  }
}
