import type { TLSSocket } from 'node:tls'
import { connect, type Door } from './connection.js'
import type { Stream } from './case.js'

/** Name and value of a header field, one character per byte, sent as they are. */
export type Field = readonly [name: string, value: string]

export const MAGIC = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PUSH_PROMISE = 5
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9
export const END_STREAM = 1
export const ACK = 1
export const END_HEADERS = 4
export const PADDED = 8
export const WITH_PRIORITY = 32
/** RFC 9113 section 4.2: what every receiver takes. */
const MAX_FRAME = 16_384
const HANGS_AFTER = 15_000

/**
 * Sends requests as frames of HTTP/2 that are written here, because no client library would send most of them, and
 * answers the status code of each: 0 where its stream was reset or the connection closed.
 */
export async function exchangeHttp2(door: Door, streams: readonly Stream[]): Promise<number[]> {
  const frames = streams.map((stream, i) => requestFrames(stream, 2 * i + 1))
  const ids = streams.map((_, i) => 2 * i + 1)
  return exchangeFrames(door, Buffer.concat([PREFACE, ...frames]), ids)
}

/** The same for bytes of any kind, the preface among them; the streams `ids` are to be answered. */
export async function exchangeFrames(door: Door, bytes: Buffer, ids: readonly number[]): Promise<number[]> {
  const socket = await connect(door, 'h2')
  const reader = new AnswerReader(socket, ids)
  socket.on('error', () => undefined)
  socket.write(bytes)
  const timer = setTimeout(() => reader.fail(new Error('no answer came')), HANGS_AFTER)
  try {
    return await reader.answers
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

/** True where the server speaks HTTP/2 at all. */
export async function offersHttp2(door: Door): Promise<boolean> {
  try {
    const socket = await connect(door, 'h2')
    socket.destroy()
    return socket.alpnProtocol === 'h2'
  } catch {
    return false
  }
}

/** What a client begins with. Without a table, the server's fields are all literals or static. */
export const PREFACE = Buffer.concat([MAGIC, frame(SETTINGS, 0, 0, Buffer.from([0, 1, 0, 0, 0, 0]))])

export function requestFrames({ fields, data, trailers }: Stream, id: number): Buffer {
  const frames: Buffer[] = [headerFrames(fields, id, data === undefined && trailers === undefined)]
  if (data !== undefined)
    frames.push(frame(DATA, trailers === undefined ? END_STREAM : 0, id, Buffer.from(data, 'latin1')))
  if (trailers !== undefined) frames.push(headerFrames(trailers, id, true))
  return Buffer.concat(frames)
}

export function headerFrames(fields: readonly Field[], id: number, endStream: boolean): Buffer {
  const block = fieldBlock(fields)
  const frames: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME) {
    const last = at + MAX_FRAME >= block.length
    const flags = (at === 0 && endStream ? END_STREAM : 0) | (last ? END_HEADERS : 0)
    frames.push(frame(at === 0 ? HEADERS : CONTINUATION, flags, id, block.subarray(at, at + MAX_FRAME)))
  }
  return Buffer.concat(frames)
}

/** Literal fields without indexing: RFC 7541 section 6.2.2. */
export function fieldBlock(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

/** RFC 7541 section 5.2, without Huffman. */
export function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const prefix = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) prefix.push((rest % 128) + 128)
  return Buffer.concat([Buffer.from([...prefix, rest]), bytes])
}

export function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, payload])
}

/** Reads the server's frames as far as they say what became of each stream. */
class AnswerReader {
  readonly answers: Promise<number[]>
  fail!: (error: Error) => void
  #settle!: (codes: number[]) => void
  #buffer = Buffer.alloc(0)
  readonly #codes = new Map<number, number>()
  readonly #ended = new Set<number>()

  readonly #socket: TLSSocket
  readonly #ids: readonly number[]

  constructor(socket: TLSSocket, ids: readonly number[]) {
    this.#socket = socket
    this.#ids = ids
    this.answers = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.fail = reject
    })
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('close', () => this.#finish())
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    while (this.#buffer.length >= 9) {
      const length = this.#buffer.readUIntBE(0, 3)
      if (this.#buffer.length < 9 + length) return
      const [type, flags, id] = [this.#buffer[3], this.#buffer[4] as number, this.#buffer.readUInt32BE(5)]
      const payload = this.#buffer.subarray(9, 9 + length)
      this.#buffer = this.#buffer.subarray(9 + length)
      if (type === SETTINGS && (flags & ACK) === 0)
        this.#socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)))
      if (type === HEADERS && !this.#codes.has(id)) {
        const code = readStatus(payload)
        if (code >= 200) this.#codes.set(id, code)
      }
      const over = type === RST_STREAM || ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0)
      if (over) this.#ended.add(id)
      if (type === GOAWAY && payload.readUInt32BE(4) !== 0) this.#finish()
    }
    if (this.#ids.every((id) => this.#ended.has(id))) this.#finish()
  }

  #finish(): void {
    this.#settle(this.#ids.map((id) => this.#codes.get(id) ?? 0))
  }
}

const STATIC_STATUS = [200, 204, 206, 304, 400, 404, 500]
/** RFC 7541 appendix B for the digits: code and its length in bits. */
const DIGITS = [
  '00000',
  '00001',
  '00010',
  '011001',
  '011010',
  '011011',
  '011100',
  '011101',
  '011110',
  '011111',
]

/** The :status of a block of header fields, of which it is the first. */
function readStatus(block: Buffer): number {
  let at = 0
  while (((block[at] as number) & 0xe0) === 0x20) at++ // dynamic table size update
  const first = block[at] as number
  if ((first & 0x80) !== 0) return STATIC_STATUS[(first & 0x7f) - 8] ?? NaN
  const length = block[at + 1] as number
  const value = block.subarray(at + 2, at + 2 + (length & 0x7f))
  if ((length & 0x80) === 0) return Number(value.toString('latin1'))
  let bits = [...value].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  let digits = ''
  while (digits.length < 3) {
    const digit = DIGITS.findIndex((code) => bits.startsWith(code))
    if (digit < 0) return NaN
    digits += String(digit)
    bits = bits.slice((DIGITS[digit] as string).length)
  }
  return Number(digits)
}
