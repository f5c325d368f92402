import { SPDYStream } from '../../src/sessions/spdy-stream.js'
import type { SessionStream } from '../../src/sessions/session-stream.js'
import { StreamError } from '../../src/sessions/stream-error.js'
import { WebSocketStream } from '../../src/sessions/websocket-stream.js'
import { spdyControl, spdyData, SPDYOpener, webSocketFrame } from './session-frames.js'

export interface FuzzOptions {
  readonly frames: number
  readonly seed: number
}

export interface FuzzResult {
  readonly frames: number
  /** Streams that were refused. */
  readonly refused: number
  /** Bytes that came out of channels. */
  readonly read: number
}

const CONNECTED = { stdin: true, stdout: true, stderr: true, tty: false }
/** Of one stream, before the next begins. */
const FRAMES_PER_STREAM = 40

/**
 * Hands damaged frames to the readers of sessions, both directions, both protocols, in pieces of any length. Throws where one
 * throws anything but a StreamError.
 */
export function fuzzFrames({ frames, seed }: FuzzOptions): FuzzResult {
  const random = mulberry32(seed)
  const below = (n: number): number => Math.floor(random() * n)
  let [done, refused, read] = [0, 0, 0]
  const sink = { data: (_: string, bytes: Buffer) => void (read += bytes.length) }
  while (done < frames) {
    const spdy = below(2) === 0
    const base64 = below(4) === 0
    const stream: SessionStream = spdy
      ? new SPDYStream(4, sink)
      : new WebSocketStream({ base64, version: 4 }, CONNECTED, sink)
    const opener = new SPDYOpener()
    try {
      for (let i = 0; i < FRAMES_PER_STREAM && done < frames; i++, done++) {
        const fromClient = below(2) === 0 || (spdy && i < 3)
        const frame = damaged(spdy ? spdyFrame(i, opener, below) : webSocket(fromClient, below), below)
        for (let at = 0; at < frame.length;) {
          const size = 1 + below(frame.length)
          const piece = frame.subarray(at, at + size)
          if (fromClient) stream.fromClient(piece)
          else stream.fromUpstream(piece)
          if (stream.boundary > piece.length && !fromClient) throw new Error('a boundary behind the chunk')
          at += size
        }
      }
    } catch (err) {
      if (!(err instanceof StreamError)) throw err
      refused++
      done++
    }
  }
  return { frames: done, refused, read }
}

type Below = (n: number) => number

function webSocket(masked: boolean, below: Below): Buffer {
  const payload = Buffer.alloc(below(300), below(256))
  payload[0] = below(6)
  return webSocketFrame(payload, {
    masked,
    opcode: [2, 2, 2, 1, 0, 9, 10][below(7)] as number,
    fin: below(8) > 0,
  })
}

function spdyFrame(i: number, opener: SPDYOpener, below: Below): Buffer {
  const types = ['stdout', 'stderr', 'stdin', 'error', 'resize']
  if (i < types.length) return opener.open(2 * i + 1, { streamtype: types[i] as string })
  if (below(4) > 0) return spdyData(1 + 2 * below(6), Buffer.alloc(below(300), below(256)), below(9) === 0)
  return spdyControl(1 + below(10), Buffer.alloc(below(30), below(256)), below(2))
}

/** One in four has a few bytes changed, is cut off or has others in it. */
function damaged(frame: Buffer, below: Below): Buffer {
  if (below(4) > 0) return frame
  const copy = Buffer.from(frame)
  for (let n = 1 + below(3); n > 0; n--) copy[below(Math.min(copy.length, 24))] = below(256)
  return below(3) === 0 ? copy.subarray(0, below(copy.length)) : copy
}

/** A small generator with a seed, so that what fails can be had again. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
