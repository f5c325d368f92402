import {
  CHANNELS,
  type ChannelSink,
  type Connected,
  type FarewellStatus,
  type SessionStream,
} from './session-stream.js'
import { StreamError } from './stream-error.js'
import { serverFrame, WebSocketReader, type MessageSink } from './websocket-reader.js'

/** RFC 6455: normal closure. */
const NORMAL = Buffer.from([0x03, 0xe8])
const ZERO = '0'.charCodeAt(0)
/** In v5: the byte behind it names a channel that ends. */
const STREAM_CLOSE = 255

export interface WebSocketProtocol {
  readonly base64: boolean
  readonly version: number
}

/**
 * A session over a WebSocket: the first byte of each message is its channel (k8s.io/streaming/pkg/httpstream/wsstream
 * conn.go). In base64 it is a digit, and the rest is base64. On the server's side each frame of a message would be a
 * message of its own, so a client's messages must have one frame.
 */
export class WebSocketStream implements SessionStream {
  readonly #client: WebSocketReader
  readonly #upstream: WebSocketReader
  readonly #base64: boolean
  readonly #version: number

  readonly #connected: Connected

  /** @param version 4 and 5 say how a session ended in JSON */
  constructor({ base64, version }: WebSocketProtocol, connected: Connected, sink: ChannelSink) {
    this.#base64 = base64
    this.#version = version
    this.#connected = connected
    const messages = (): MessageSink => (base64 ? new Base64Messages(sink) : new ChannelMessages(sink))
    this.#client = new WebSocketReader({ masked: true, fragments: false }, messages())
    this.#upstream = new WebSocketReader({ masked: false, fragments: true }, messages())
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
    const { stderr, tty } = this.#connected
    return Buffer.concat([
      this.#message(CHANNELS.indexOf(stderr && !tty ? 'stderr' : 'stdout'), text),
      this.#message(CHANNELS.indexOf('error'), this.#version >= 4 ? status.json : status.message),
      serverFrame('close', NORMAL),
    ])
  }

  #message(channel: number, text: string): Buffer {
    if (this.#base64)
      return serverFrame('text', Buffer.from(`${channel}${Buffer.from(text).toString('base64')}`))
    return serverFrame('binary', Buffer.concat([Buffer.from([channel]), Buffer.from(text)]))
  }
}

/** Messages whose first byte is the channel. */
class ChannelMessages implements MessageSink {
  #channel = -1
  readonly #sink: ChannelSink

  constructor(sink: ChannelSink) {
    this.#sink = sink
  }

  begin(): void {
    this.#channel = -1
  }

  piece(bytes: Buffer): void {
    let data = bytes
    if (this.#channel < 0) {
      this.#channel = bytes[0] as number
      data = bytes.subarray(1)
    }
    const name = this.#channel === STREAM_CLOSE ? undefined : CHANNELS[this.#channel]
    if (name !== undefined && data.length > 0) this.#sink.data(name, data)
  }

  end(): void {
    // What was said is said.
  }
}

/** Messages whose first character is the channel, and whose rest is base64, which is decoded as it comes. */
class Base64Messages implements MessageSink {
  #channel = -1
  /** Characters that make no whole group of four yet. */
  #rest = ''
  readonly #sink: ChannelSink

  constructor(sink: ChannelSink) {
    this.#sink = sink
  }

  begin(): void {
    this.#channel = -1
    this.#rest = ''
  }

  piece(bytes: Buffer): void {
    let text = bytes.toString('latin1')
    if (this.#channel < 0) {
      this.#channel = (bytes[0] as number) - ZERO
      text = text.slice(1)
    }
    text = this.#rest + text
    const whole = text.length - (text.length % 4)
    this.#rest = text.slice(whole)
    this.#decode(text.slice(0, whole))
  }

  end(): void {
    if (this.#rest !== '') throw new StreamError('a message is not base64')
  }

  #decode(text: string): void {
    if (text === '') return
    const data = Buffer.from(text, 'base64')
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
    if (data.length !== (text.length / 4) * 3 - padding) throw new StreamError('a message is not base64')
    const name = CHANNELS[this.#channel]
    if (name !== undefined && data.length > 0) this.#sink.data(name, data)
  }
}
