import { open, type FileHandle } from 'node:fs/promises'
import { plainBytes } from './plain-bytes.js'
import { parseStatement, type SignedStatement } from './statement.js'

/** What the name of a seal has behind that of its log. */
export const SEAL_SUFFIX = '.seal'
const GZIP = '.gz'
const NEWLINE = 0x0a
/** A statement has hundreds of bytes; one with many removed ranges may have thousands. */
const MAX_STATEMENT = 1 << 20
const TAIL = 64 << 10

/** The seal of a log file, compressed or not: audit.log.seal of audit.log, audit-T.log.seal.gz of audit-T.log.gz. */
export function sealPaths(log: string): string[] {
  const plain = (log.endsWith(GZIP) ? log.slice(0, -GZIP.length) : log) + SEAL_SUFFIX
  return [plain, plain + GZIP]
}

/** Whether a name is that of a seal, also of one that somebody else has rotated: audit.log.seal.1.gz. */
export function isSealName(name: string): boolean {
  return /\.seal(\.|$)/.test(name)
}

/**
 * Adds a line to a seal. It is there whole or not at all: what remains of one that was cut short (by a crash, by a full
 * disk) is taken out. The file is opened for each line, so that a seal that somebody has moved is begun anew.
 *
 * @param sync whether the line is on the disk before this resolves
 */
export async function appendStatement(
  path: string,
  line: Buffer,
  mode: number,
  sync: boolean,
): Promise<void> {
  const handle = await open(path, 'a+', mode)
  try {
    const size = await wholeSize(handle)
    const bytes = Buffer.concat([line, Buffer.of(NEWLINE)])
    try {
      const { bytesWritten } = await handle.write(bytes)
      if (bytesWritten < bytes.length) throw new Error('the statement was cut short: is the disk full?')
      if (sync) await handle.datasync()
    } catch (err) {
      // Should this fail too, the next one finds it.
      await handle.truncate(size).catch(() => undefined)
      throw err
    }
  } finally {
    await handle.close()
  }
}

/** Takes out what stands behind the last newline, and answers the size. */
async function wholeSize(handle: FileHandle): Promise<number> {
  let { size } = await handle.stat()
  const whole = size
  while (size > 0) {
    const from = Math.max(0, size - TAIL)
    const tail = Buffer.alloc(size - from)
    await handle.read(tail, 0, tail.length, from)
    const end = tail.lastIndexOf(NEWLINE) + 1
    size = from + end
    if (end > 0) break
  }
  if (size < whole) await handle.truncate(size)
  return size
}

/** A line of a seal. */
export interface SealLine {
  /** From 1. */
  readonly lineNumber: number
  /** undefined where it is none. */
  readonly statement: SignedStatement | undefined
  /** Whether there is no newline behind it. */
  readonly torn: boolean
}

/**
 * The lines of a seal, gzipped or not. Rejects with the system's error, or zlib's.
 * @param onRead told how many bytes of the file were read
 */
export async function* readSeal(path: string, onRead?: (bytes: number) => void): AsyncGenerator<SealLine> {
  let lineNumber = 0
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of plainBytes(path, onRead)) {
    let from = 0
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      // A copy, so that a statement that is kept does not keep the piece.
      const line = Buffer.from(bytes.subarray(from, end))
      yield { lineNumber: ++lineNumber, statement: parseStatement(line), torn: false }
      from = end + 1
    }
    rest = Buffer.from(bytes.subarray(from))
    // Whatever this is, it is no statement; it is not held.
    if (rest.length > MAX_STATEMENT) rest = rest.subarray(0, 1)
  }
  if (rest.length > 0) yield { lineNumber: ++lineNumber, statement: parseStatement(rest), torn: true }
}
