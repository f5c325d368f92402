import { createHash, randomBytes } from 'node:crypto'
import type { RequestOptions } from 'node:https'
import type { Socket } from 'node:net'
import type { StandIn } from './stand-in.js'
import { change, upgradeAt } from './upgrade.js'

const [BINARY, CLOSE, PING, PONG] = [2, 8, 9, 10]
/** The status 1000. */
const NORMAL = Buffer.from([0x03, 0xe8])

/** RFC 6455: what a server answers to a Sec-WebSocket-Key. */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** One end of a WebSocket, as far as tests need it: whole binary messages of less than 64 KiB. */
export class WebSocketEnd {
  #received: Buffer = Buffer.alloc(0)
  #closed = false

  readonly #masks: boolean

  /** @param masks true for the client's end */
  constructor(
    readonly socket: Socket,
    masks: boolean,
    readonly protocol: string | undefined = undefined,
  ) {
    this.#masks = masks
  }

  /** Opens one through the proxy, as admin unless the options say who. Throws where the answer is no proper 101. */
  static connect(
    standIn: StandIn,
    path: string,
    protocols: readonly string[],
    options: RequestOptions = {},
  ): Promise<WebSocketEnd> {
    const who = options.port === undefined ? standIn.as() : {}
    return WebSocketEnd.open({ ...who, path, ...options }, protocols)
  }

  /** Opens one to a server. Throws where the answer is no proper 101. */
  static async open(options: RequestOptions, protocols: readonly string[]): Promise<WebSocketEnd> {
    const key = randomBytes(16).toString('base64')
    const headers = {
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      'Sec-WebSocket-Protocol': protocols.join(', '),
      ...(options.headers as object),
    }
    const { res, socket } = await upgradeAt({ ...options, headers }, 'websocket')
    if (res.headers['sec-websocket-accept'] !== acceptKey(key)) throw new Error('another key was accepted')
    return new WebSocketEnd(socket, true, res.headers['sec-websocket-protocol'])
  }

  send(message: Buffer): void {
    this.#frame(BINARY, message)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#frame(CLOSE, NORMAL)
    this.socket.end()
  }

  /** The next message; undefined when the other end closed. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const frame = this.#take()
      if (frame?.type === PING) this.#frame(PONG, frame.payload)
      else if (frame !== undefined && frame.type !== PONG) {
        return frame.type === CLOSE ? undefined : frame.payload
      }
      if (frame !== undefined) continue
      const chunk = this.socket.read() as Buffer | null
      if (chunk !== null) this.#received = Buffer.concat([this.#received, chunk])
      else if (this.socket.readableEnded || this.socket.destroyed) return undefined
      else await change(this.socket)
    }
  }

  #frame(type: number, payload: Buffer): void {
    const short = payload.length < 126
    const head = Buffer.from([0x80 | type, (this.#masks ? 0x80 : 0) | (short ? payload.length : 126)])
    const length = Buffer.alloc(short ? 0 : 2)
    if (!short) length.writeUInt16BE(payload.length)
    const mask = this.#masks ? randomBytes(4) : Buffer.alloc(0)
    this.socket.write(Buffer.concat([head, length, mask, this.#masks ? unmask(payload, mask) : payload]))
  }

  #take(): { type: number; payload: Buffer } | undefined {
    const data = this.#received
    if (data.length < 2) return undefined
    let length = (data[1] as number) & 0x7f
    let at = 2
    if (length === 126) {
      if (data.length < 4) return undefined
      length = data.readUInt16BE(2)
      at = 4
    }
    const masked = ((data[1] as number) & 0x80) !== 0
    const end = at + (masked ? 4 : 0) + length
    if (data.length < end) return undefined
    this.#received = data.subarray(end)
    const payload = data.subarray(end - length, end)
    return {
      type: (data[0] as number) & 0x0f,
      payload: masked ? unmask(payload, data.subarray(at, at + 4)) : payload,
    }
  }
}

function unmask(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] as number)))
}
