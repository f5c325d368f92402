import { StreamError } from './stream-error.js'

const [CONTINUATION, TEXT, BINARY, CLOSE] = [0, 1, 2, 8]
/** Of a control frame, RFC 6455 section 5.5. */
const MAX_CONTROL = 125
/** Two bytes, eight of length, four of mask. */
const MAX_HEAD = 14
/** Bytes that are unmasked at once. */
const UNMASK_BYTES = 64 * 1024

/** Is told of the messages of one direction. Payloads come in pieces, as they arrive; they are the reader's again afterwards. */
export interface MessageSink {
  begin(opcode: 'text' | 'binary'): void
  piece(bytes: Buffer): void
  end(): void
}

export interface WebSocketReaderOptions {
  /** Whether frames have to be masked: those of a client are, those of a server are not. */
  readonly masked: boolean
  /** Whether a message may have several frames. */
  readonly fragments: boolean
}

/**
 * Reads the frames of one direction of a WebSocket (RFC 6455) without extensions. It holds no payload: a frame of any length
 * passes through it. It is stricter than golang.org/x/net/websocket, which kube-apiserver and the kubelet read with, in what
 * that one reads otherwise than other implementations: reserved bits, the first bit of a length, unknown opcodes.
 */
export class WebSocketReader {
  readonly #head = Buffer.alloc(MAX_HEAD)
  #headBytes = 0
  #headLength = 2
  /** Of the frame that is under way: what is left of its payload. */
  #left = 0
  #inFrame = false
  #fin = true
  #control = false
  /** Whether a message is under way. */
  #message = false
  #closed = false
  readonly #mask = Buffer.alloc(4)
  #maskAt = 0
  #boundary = 0
  #scratch: Buffer | undefined

  readonly #options: WebSocketReaderOptions
  readonly #sink: MessageSink

  constructor(options: WebSocketReaderOptions, sink: MessageSink) {
    this.#options = options
    this.#sink = sink
  }

  /** As SessionStream has it. */
  get boundary(): number {
    return this.#boundary
  }

  /** Whether a close frame has passed: what follows it means nothing. */
  get closed(): boolean {
    return this.#closed
  }

  /** @throws StreamError, after which nothing is read any more */
  push(chunk: Buffer): void {
    this.#boundary = this.#between ? 0 : -1
    let at = 0
    while (at < chunk.length && !this.#closed) {
      if (!this.#inFrame) {
        const taken = Math.min(this.#headLength - this.#headBytes, chunk.length - at)
        chunk.copy(this.#head, this.#headBytes, at, at + taken)
        this.#headBytes += taken
        at += taken
        if (this.#headBytes === this.#headLength) this.#readHead()
        // An empty payload is whole with its head.
        if (!this.#inFrame || this.#left > 0) continue
      } else {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#payload(chunk.subarray(at, at + taken))
        this.#left -= taken
        at += taken
      }
      if (this.#left === 0) this.#endFrame()
      if (this.#between) this.#boundary = at
    }
  }

  get #between(): boolean {
    return !this.#inFrame && this.#headBytes === 0 && !this.#message && !this.#closed
  }

  #readHead(): void {
    const [first = 0, second = 0] = this.#head
    const length = second & 0x7f
    const masked = (second & 0x80) !== 0
    this.#headLength = 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (masked ? 4 : 0)
    if (this.#headBytes < this.#headLength) {
      if (this.#headBytes === 2) this.#check(first, length, masked)
      return
    }
    if (this.#headLength === 2) this.#check(first, length, masked)
    this.#left = length
    if (length === 126) this.#left = this.#head.readUInt16BE(2)
    if (length === 127) {
      const high = this.#head.readUInt32BE(2)
      if (high >= 2 ** 21) throw new StreamError('a WebSocket frame has a length that nobody can send')
      this.#left = high * 2 ** 32 + this.#head.readUInt32BE(6)
    }
    if (masked) this.#head.copy(this.#mask, 0, this.#headLength - 4, this.#headLength)
    this.#maskAt = 0
    this.#begin(first)
  }

  #check(first: number, length: number, masked: boolean): void {
    if ((first & 0x70) !== 0)
      throw new StreamError('a WebSocket frame is compressed or has other reserved bits set')
    if (masked !== this.#options.masked)
      throw new StreamError(`a WebSocket frame is ${masked ? '' : 'not '}masked`)
    const opcode = first & 0x0f
    if ((opcode > BINARY && opcode < CLOSE) || opcode > 10)
      throw new StreamError(`a WebSocket frame has the unknown opcode ${opcode}`)
    const fin = (first & 0x80) !== 0
    if (opcode >= CLOSE) {
      if (!fin || length > MAX_CONTROL)
        throw new StreamError('a WebSocket control frame is too long or has no end')
      return
    }
    if ((opcode === CONTINUATION) !== this.#message)
      throw new StreamError(
        this.#message
          ? 'a WebSocket message begins inside of another'
          : 'a WebSocket message goes on that has not begun',
      )
    if (!fin && !this.#options.fragments) throw new StreamError('a WebSocket message has several frames')
  }

  #begin(first: number): void {
    const opcode = first & 0x0f
    this.#inFrame = true
    this.#control = opcode >= CLOSE
    if (this.#control) return
    this.#fin = (first & 0x80) !== 0
    if (opcode === CONTINUATION) return
    this.#message = true
    this.#sink.begin(opcode === TEXT ? 'text' : 'binary')
  }

  #payload(bytes: Buffer): void {
    if (this.#control) return
    if (!this.#options.masked) return this.#sink.piece(bytes)
    this.#scratch ??= Buffer.allocUnsafe(UNMASK_BYTES)
    for (let from = 0; from < bytes.length; from += UNMASK_BYTES) {
      const piece = bytes.subarray(from, from + UNMASK_BYTES)
      // The bytes go on as they are: they are unmasked in a copy.
      for (let i = 0; i < piece.length; i++)
        this.#scratch[i] = (piece[i] as number) ^ (this.#mask[(this.#maskAt + i) & 3] as number)
      this.#maskAt = (this.#maskAt + piece.length) & 3
      this.#sink.piece(this.#scratch.subarray(0, piece.length))
    }
  }

  #endFrame(): void {
    const opcode = (this.#head[0] as number) & 0x0f
    this.#inFrame = false
    this.#headBytes = 0
    this.#headLength = 2
    if (this.#control) {
      this.#control = false
      if (opcode === CLOSE) this.#closed = true
    } else if (this.#fin) {
      this.#message = false
      this.#sink.end()
    }
  }
}

/** One whole frame of a server. */
export function serverFrame(opcode: 'text' | 'binary' | 'close', payload: Buffer): Buffer {
  const first = 0x80 | (opcode === 'text' ? TEXT : opcode === 'binary' ? BINARY : CLOSE)
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, payload.length]), payload])
  const head = Buffer.from([first, 126, 0, 0])
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}
