import { readdirSync, rmSync, truncateSync } from 'node:fs'
import { readAcknowledged } from './spool-ack.js'
import { SEGMENT_START, scanSegment, segmentBase, segmentPath, segmentSize } from './spool-segment.js'
import type { Problems } from '../problems.js'

export interface Segment {
  /** Sequence number of its first record. */
  readonly base: number
  /** Bytes of the file. */
  size: number
}

/** What a spool directory holds. */
export interface SpoolState {
  /** In order, none of them acknowledged whole; only the last may be written to. */
  readonly segments: Segment[]
  /** Sequence number of the next record to be written. */
  readonly next: number
  /** Sequence number of the first record that the receiver does not have. */
  readonly acknowledged: number
}

/**
 * Puts a spool directory in order after whatever ended the last process. Only the last segment can have been torn by
 * that, so only that one is read whole; damage in the others shows when they are sent.
 *
 * @throws NodeJS.ErrnoException when the directory cannot be read or changed
 */
export async function recoverSpool(directory: string, problems: Problems): Promise<SpoolState> {
  const bases = readdirSync(directory)
    .map(segmentBase)
    .filter((base) => base !== undefined)
    .sort((a, b) => a - b)
  const found: Segment[] = bases.map((base) => ({ base, size: segmentSize(directory, base) }))
  const last = found.at(-1)
  const end = last === undefined ? undefined : await recoverLast(directory, last, problems)
  if (last?.size === 0) found.pop()

  const start = found[0]?.base ?? end
  let acknowledged = readAcknowledged(directory)
  if (acknowledged === null) {
    const consequence = 'everything that is still in the directory is sent again'
    problems.trouble(
      'spool damaged',
      `the file acknowledged in ${directory} is not as it was written: ${consequence}`,
    )
  }
  acknowledged = Math.max(acknowledged ?? 0, start ?? 0)
  // A power cut can take back the end of a segment that was sent already.
  const next = Math.max(end ?? 0, acknowledged)

  const segments = found.filter((segment, i) => {
    const segmentEnd = found[i + 1]?.base ?? next
    if (segmentEnd > acknowledged) return true
    rmSync(segmentPath(directory, segment.base), { force: true })
    return false
  })
  return { segments, next, acknowledged }
}

/** Cuts off what is not a whole record. Returns the sequence number after the last one that is. */
async function recoverLast(directory: string, last: Segment, problems: Problems): Promise<number> {
  const { records, size, fileSize } = await scanSegment(directory, last.base)
  const path = segmentPath(directory, last.base)
  if (size === fileSize) return last.base + records
  if (size === 0) rmSync(path)
  else truncateSync(path, size)
  last.size = size
  // Less than the start of a segment never held a record.
  if (fileSize > SEGMENT_START)
    problems.failed(1, `${path}: cut off its last ${fileSize - size} bytes, which are not whole records`)
  return last.base + records
}
