import { randomBytes } from 'node:crypto'
import { constants, deflateSync } from 'node:zlib'
import { SPDY_DICTIONARY } from '../../src/sessions/spdy-headers.js'

export interface FrameOptions {
  readonly opcode?: number
  readonly fin?: boolean
  readonly masked?: boolean
  /** Reserved bits, as they stand in the first byte. */
  readonly reserved?: number
}

/** One frame of a WebSocket. */
export function webSocketFrame(payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const { opcode = 2, fin = true, masked = false, reserved = 0 } = options
  const data = Buffer.from(payload)
  const first = (fin ? 0x80 : 0) | reserved | opcode
  const bit = masked ? 0x80 : 0
  let head = Buffer.from([first, bit | data.length])
  if (data.length > 125 && data.length <= 65_535) {
    head = Buffer.from([first, bit | 126, 0, 0])
    head.writeUInt16BE(data.length, 2)
  }
  if (data.length > 65_535) {
    head = Buffer.alloc(10)
    head[0] = first
    head[1] = bit | 127
    head.writeUInt32BE(data.length, 6)
  }
  if (!masked) return Buffer.concat([head, data])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ (mask[i % 4] as number))])
}

/** A control frame of SPDY/3.1. */
export function spdyControl(type: number, payload: Buffer, flags = 0, version = 3): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16BE(0x8000 | version)
  head.writeUInt16BE(type, 2)
  head.writeUInt32BE(payload.length, 4)
  head[4] = flags
  return Buffer.concat([head, payload])
}

/** A data frame of SPDY/3.1. */
export function spdyData(stream: number, data: Buffer | string, fin = false): Buffer {
  const bytes = Buffer.from(data)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(stream)
  head.writeUInt32BE(bytes.length, 4)
  head[4] = fin ? 1 : 0
  return Buffer.concat([head, bytes])
}

/** Opens streams as a client does: the header blocks of one are one zlib stream. */
export class SPDYOpener {
  #begun = false

  open(stream: number, headers: Readonly<Record<string, string>>): Buffer {
    const head = Buffer.alloc(10)
    head.writeUInt32BE(stream)
    return spdyControl(1, Buffer.concat([head, this.block(headers)]))
  }

  /** A compressed block of headers. Behind the first, which has the dictionary, blocks are stored as they are. */
  block(headers: Readonly<Record<string, string>>): Buffer {
    const pairs = Object.entries(headers)
    const block = Buffer.concat([
      number(pairs.length),
      ...pairs.flat().flatMap((text) => [number(text.length), Buffer.from(text)]),
    ])
    if (this.#begun) return stored(block)
    this.#begun = true
    return deflateSync(block, { dictionary: SPDY_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH })
  }
}

function number(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

function stored(block: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt16LE(block.length, 1)
  head.writeUInt16LE(~block.length & 0xffff, 3)
  return Buffer.concat([head, block])
}
