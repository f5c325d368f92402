import type { Awaitable } from '../../../awaitable.js'
import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, statSync, writevSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

/*
 * A segment is one append-only file of the spool. Its name is the sequence number of its first record; its content is
 * the 8 bytes of MAGIC and then records, each of them
 *
 *     length of the payload   4 bytes, little endian, not 0
 *     CRC-32 of the length's four bytes and the payload   4 bytes, little endian
 *     payload   one event as one line of JSON, without a newline
 */

const MAGIC = Buffer.from('KAPSPL1\n', 'latin1')
const HEADER_BYTES = 8
const SUFFIX = '.segment'
/** How much is read at a time: a few hundred events of metadata. */
const READ_BYTES = 512 * 1024
/** No spool ever comes near it, and sums with it are exact. */
const MAX_BASE = 2 ** 52
/** Bytes that no segment has: 16 MiB, and one write more. */
const LARGEST = 64 << 20
/** writev takes no more buffers than IOV_MAX at once. */
const MAX_BUFFERS = 1024

/** The bytes that every segment has before its first record. */
export const SEGMENT_START = MAGIC.length

export function segmentPath(directory: string, base: number): string {
  return join(directory, String(base).padStart(16, '0') + SUFFIX)
}

/** The sequence number in a segment's file name; undefined for the name of anything else. */
export function segmentBase(fileName: string): number | undefined {
  if (!fileName.endsWith(SUFFIX)) return undefined
  const digits = fileName.slice(0, -SUFFIX.length)
  const base = /^\d{16}$/.test(digits) ? Number(digits) : Infinity
  return base <= MAX_BASE ? base : undefined
}

/** Whether a segment can begin with these bytes: the whole of MAGIC, or as much of it as there is. */
export function isSegmentStart(bytes: Buffer): boolean {
  return bytes.equals(MAGIC.subarray(0, bytes.length))
}

/** How many records a segment of that size can have; of any size, where that is 0. */
export function mostRecords(size: number): number {
  return Math.floor((size === 0 ? LARGEST : size) / (HEADER_BYTES + 1))
}

/** A line as a record, ready to be written. */
export function encodeRecord(line: Buffer): Buffer {
  const { length } = line
  const record = Buffer.allocUnsafe(HEADER_BYTES + length)
  record.writeUInt32LE(length, 0)
  record.set(line, HEADER_BYTES)
  record.writeUInt32LE(checksum(record, 0, length), 4)
  return record
}

/** The payload of what encodeRecord made; shares its memory. */
export function recordPayload(record: Buffer): Buffer {
  return record.subarray(HEADER_BYTES)
}

function checksum(buffer: Buffer, start: number, length: number): number {
  const ofLength = crc32(buffer.subarray(start, start + 4))
  return crc32(buffer.subarray(start + HEADER_BYTES, start + HEADER_BYTES + length), ofLength)
}

/** The end of a segment that is written to. Writes are synchronous: once append returns, the kernel has the records. */
export class SegmentWriter {
  readonly base: number
  readonly path: string
  readonly fd: number
  #size: number

  /**
   * @param size where to go on in a file that exists, or undefined to make a new one
   * @throws NodeJS.ErrnoException
   */
  constructor(directory: string, base: number, size?: number) {
    this.base = base
    this.path = segmentPath(directory, base)
    // Not O_APPEND: positions are explicit, so that a torn write is overwritten and never followed.
    this.fd = openSync(this.path, size === undefined ? 'wx' : 'r+', 0o600)
    this.#size = size ?? 0
    if (size !== undefined) return
    try {
      this.#write([MAGIC], MAGIC.length)
    } catch (err) {
      closeSync(this.fd)
      rmSync(this.path, { force: true })
      throw err
    }
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#size
  }

  /** False when somebody has deleted the file: what is written to it now nobody finds. */
  get isThere(): boolean {
    return fstatSync(this.fd).nlink > 0
  }

  /**
   * Writes the records, all or none.
   *
   * @throws NodeJS.ErrnoException, with the file as it was
   */
  append(records: readonly Buffer[]): void {
    let bytes = 0
    for (const record of records) bytes += record.length
    this.#write(records, bytes)
  }

  close(): void {
    closeSync(this.fd)
  }

  #write(buffers: readonly Buffer[], bytes: number): void {
    try {
      let written = 0
      for (let i = 0; i < buffers.length; i += MAX_BUFFERS) {
        written += this.#writeAll(buffers.slice(i, i + MAX_BUFFERS), this.#size + written)
      }
    } catch (err) {
      // What a full disk left of it is taken away; should that fail too, the next append overwrites it.
      try {
        ftruncateSync(this.fd, this.#size)
      } catch {
        // The first error says more.
      }
      throw err
    }
    this.#size += bytes
  }

  /** A short write is how a nearly full disk answers; the next one then tells the reason. */
  #writeAll(buffers: readonly Buffer[], position: number): number {
    let rest = buffers
    let done = 0
    while (rest.length > 0) {
      const n = writevSync(this.fd, rest, position + done)
      done += n
      rest = skip(rest, n)
    }
    return done
  }
}

/** What is left of the buffers after their first n bytes. */
function skip(buffers: readonly Buffer[], n: number): readonly Buffer[] {
  let i = 0
  while (i < buffers.length && n >= (buffers[i] as Buffer).length) n -= (buffers[i++] as Buffer).length
  if (n === 0) return buffers.slice(i)
  return [(buffers[i] as Buffer).subarray(n), ...buffers.slice(i + 1)]
}

/** What SegmentReader.next found. */
export type SegmentRead =
  | { readonly kind: 'record'; readonly payload: Buffer }
  | { readonly kind: 'end' }
  /** From `offset` on the file is not what was written. */
  | { readonly kind: 'corrupt'; readonly offset: number }

/** Reads one segment from its start, while it may still be written to. */
export class SegmentReader {
  readonly base: number
  readonly #file: FileHandle
  #buffer: Buffer = Buffer.alloc(0)
  /** Where #buffer is in the file. */
  #bufferStart = 0
  #offset = 0

  private constructor(base: number, file: FileHandle) {
    this.base = base
    this.#file = file
  }

  /** @throws NodeJS.ErrnoException */
  static async open(directory: string, base: number): Promise<SegmentReader> {
    return new SegmentReader(base, await open(segmentPath(directory, base), 'r'))
  }

  /**
   * The next record; a promise of it only where the file must be read for it. Its payload shares memory with its
   * neighbours.
   *
   * @param size bytes of the file that are written for good
   * @throws NodeJS.ErrnoException (or rejects with it) when the file cannot be read
   */
  next(size: number): Awaitable<SegmentRead> {
    if (this.#offset === 0) {
      if (size < SEGMENT_START) return { kind: 'corrupt', offset: 0 }
      if (!this.#has(SEGMENT_START)) return this.#nextAfterRead(SEGMENT_START, size)
      if (!this.#buffer.subarray(0, SEGMENT_START).equals(MAGIC)) return { kind: 'corrupt', offset: 0 }
      this.#offset = SEGMENT_START
    }
    if (this.#offset === size) return { kind: 'end' }
    const corrupt = { kind: 'corrupt', offset: this.#offset } as const
    if (this.#offset + HEADER_BYTES > size) return corrupt
    if (!this.#has(HEADER_BYTES)) return this.#nextAfterRead(HEADER_BYTES, size)
    const start = this.#offset - this.#bufferStart
    const length = this.#buffer.readUInt32LE(start)
    const bytes = HEADER_BYTES + length
    if (length === 0 || this.#offset + bytes > size) return corrupt
    if (!this.#has(bytes)) return this.#nextAfterRead(bytes, size)
    if (this.#buffer.readUInt32LE(start + 4) !== checksum(this.#buffer, start, length)) return corrupt
    this.#offset += bytes
    return { kind: 'record', payload: this.#buffer.subarray(start + HEADER_BYTES, start + bytes) }
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #has(bytes: number): boolean {
    return this.#offset + bytes <= this.#bufferStart + this.#buffer.length
  }

  async #nextAfterRead(bytes: number, size: number): Promise<SegmentRead> {
    // A new buffer each time: payloads that were given away live in the old one.
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(bytes, READ_BYTES), size - this.#offset))
    let have = 0
    while (have < buffer.length) {
      const { bytesRead } = await this.#file.read(buffer, have, buffer.length - have, this.#offset + have)
      if (bytesRead === 0) break
      have += bytesRead
    }
    this.#buffer = buffer.subarray(0, have)
    this.#bufferStart = this.#offset
    return have < bytes ? { kind: 'corrupt', offset: this.#offset } : this.next(size)
  }
}

/** What a segment holds from its start to the first byte that is not as it was written. */
export interface SegmentScan {
  readonly records: number
  /** Bytes up to the end of the last whole record; 0 when not even the start of the file is right. */
  readonly size: number
  /** Bytes of the file. */
  readonly fileSize: number
}

/** @throws NodeJS.ErrnoException */
export async function scanSegment(directory: string, base: number): Promise<SegmentScan> {
  const fileSize = segmentSize(directory, base)
  const reader = await SegmentReader.open(directory, base)
  try {
    for (let records = 0; ; records++) {
      const read = await reader.next(fileSize)
      if (read.kind === 'record') continue
      return { records, size: read.kind === 'end' ? fileSize : read.offset, fileSize }
    }
  } finally {
    await reader.close()
  }
}

/** Bytes of the file. @throws NodeJS.ErrnoException */
export function segmentSize(directory: string, base: number): number {
  return statSync(segmentPath(directory, base)).size
}
