import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { errorMessage } from '../../../errors.js'
import { BROKEN, freeName, setAside } from './set-aside.js'
import { readAcknowledged } from './spool-ack.js'
import {
  isSegmentStart,
  mostRecords,
  SEGMENT_START,
  scanSegment,
  segmentBase,
  segmentPath,
} from './spool-segment.js'
import type { SpoolProblems } from './spool-problems.js'

export interface Segment {
  /** Sequence number of its first record. */
  readonly base: number
  /** Bytes of the file. */
  size: number
  /**
   * `damaged`: not all of it can be read, and it is kept under another name when its turn is over. `gone`: it has no file
   * any more, and its loss is counted.
   */
  state?: 'damaged' | 'gone'
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

/** How many files the message names. */
const NAMED = 20

/** What the recovery finds broken: told as one, so that a line of the log has all of the files. */
class Damage {
  segments = 0
  events = 0
  readonly reasons: string[] = []

  add(reason: string, events = 0): void {
    this.segments++
    this.events += events
    this.reasons.push(reason)
  }

  tell(problems: SpoolProblems): void {
    if (this.segments === 0) return
    const more = this.reasons.length > NAMED ? `; and ${this.reasons.length - NAMED} more` : ''
    problems.damaged(this.segments, this.events, this.reasons.slice(0, NAMED).join('; ') + more)
  }
}

/**
 * Puts a spool directory in order after whatever ended the last process. What cannot be a segment is put aside, and
 * counted: of how many events it had, only the name of the next segment tells. Only the last segment can have been torn
 * by the end of a process, so only that one is read whole; damage within the others shows when they are sent.
 *
 * @throws NodeJS.ErrnoException when the directory cannot be read or changed
 */
export async function recoverSpool(directory: string, problems: SpoolProblems): Promise<SpoolState> {
  const damage = new Damage()
  const told = readTold(directory, problems)
  const found = findSegments(directory, told ?? 0, damage)
  const end = await recoverEnd(directory, found, damage)
  // What the receiver has everything of is no gap any more.
  while (found[0]?.state === 'gone' && (told === undefined || found[0].base < told)) found.shift()
  const start = found[0]?.base ?? end
  if (told !== undefined && start !== undefined && start > told) {
    damage.add(`${directory}: the segments from ${told} to ${start} are missing`, start - told)
  }
  if (told !== undefined && end !== undefined && end < told && damage.segments === 0) {
    damage.add(`${directory}: the last segment ends at ${end}, though ${told} were delivered`)
  }
  damage.tell(problems)

  const acknowledged = Math.max(told ?? 0, start ?? 0)
  // A power cut can take back the end of a segment that was sent already.
  const next = Math.max(end ?? 0, acknowledged)
  const segments = found.filter(({ base, state }, i) => {
    const segmentEnd = found[i + 1]?.base ?? next
    if (segmentEnd > acknowledged) return true
    if (state === undefined) rmSync(segmentPath(directory, base), { force: true })
    return false
  })
  return { segments, next, acknowledged }
}

/** How far the receiver has the events, if that is known. */
function readTold(directory: string, problems: SpoolProblems): number | undefined {
  const read = readAcknowledged(directory)
  if (read === undefined) return undefined
  if ('sequence' in read) return read.sequence
  problems.trouble('spool damaged', `${read.broken}: everything that is still there is sent again`)
  return undefined
}

/** All segments in order, those that were put aside now or earlier included. */
function findSegments(directory: string, told: number, damage: Damage): Segment[] {
  const names = readdirSync(directory)
  const bases = new Set(names.map(segmentBase).filter((base) => base !== undefined))
  const gone = names
    .filter((name) => name.endsWith(BROKEN))
    .map((name) => segmentBase(name.slice(0, -BROKEN.length)))
    .filter((base) => base !== undefined && !bases.has(base))
  const all = [...bases, ...gone.map((base) => base as number)].sort((a, b) => a - b)
  const segments: Segment[] = []
  for (const [i, base] of all.entries()) {
    if (!bases.has(base)) {
      segments.push({ base, size: 0, state: 'gone' })
      continue
    }
    const isLast = i === all.length - 1
    const { size, problem } = examine(directory, base)
    if (problem === undefined) segments.push({ base, size })
    else if (isLast && problem === 'unfinished') rmSync(segmentPath(directory, base))
    else {
      const path = segmentPath(directory, base)
      const reason = `${path}: ${problem}; it is now called ${setAside(directory, basename(path))}`
      const { isForeign, lost } = lossOf(base, { before: segments.at(-1), next: all[i + 1], told })
      damage.add(reason, lost)
      if (!isForeign) segments.push({ base, size: 0, state: 'gone' })
    }
  }
  return segments
}

/** How many events that nobody has were in a segment, as far as its neighbours tell. */
function lossOf(
  base: number,
  {
    before,
    next,
    told,
  }: { readonly before: Segment | undefined; readonly next: number | undefined; readonly told: number },
): { readonly isForeign: boolean; readonly lost: number } {
  // A name that no segment can have had says nothing.
  if (before !== undefined && base - before.base > mostRecords(before.size))
    return { isForeign: true, lost: 0 }
  const lost = next === undefined || next - base > mostRecords(0) ? 0 : next - Math.max(base, told)
  return { isForeign: false, lost: Math.max(0, lost) }
}

/** Bytes of a segment, and why it cannot be one. */
function examine(directory: string, base: number): { readonly size: number; readonly problem?: string } {
  const path = segmentPath(directory, base)
  try {
    const stat = statSync(path)
    if (!stat.isFile()) return { size: 0, problem: stat.isDirectory() ? 'a directory' : 'no file' }
    const { size } = stat
    if (size === 0) return { size, problem: 'empty' }
    const start = Buffer.alloc(SEGMENT_START)
    const fd = openSync(path, 'r')
    try {
      const length = readSync(fd, start, 0, SEGMENT_START, 0)
      if (!isSegmentStart(start.subarray(0, length))) return { size, problem: 'not a segment' }
      return length < SEGMENT_START ? { size, problem: 'unfinished' } : { size }
    } finally {
      closeSync(fd)
    }
  } catch (err) {
    return { size: 0, problem: `cannot be read (${errorMessage(err)})` }
  }
}

/** Cuts off what is not a whole record. Returns the sequence number after the last one that is; undefined where there is no segment. */
async function recoverEnd(
  directory: string,
  segments: readonly Segment[],
  damage: Damage,
): Promise<number | undefined> {
  const last = segments.at(-1)
  if (last === undefined || last.state === 'gone') return last?.base
  const { records, size, fileSize } = await scanSegment(directory, last.base)
  const end = last.base + records
  if (size === fileSize) return end
  const path = segmentPath(directory, last.base)
  const aside = freeName(directory, `${basename(path)}.whole`)
  let copied = `a copy of the whole is called ${aside}`
  try {
    copyFileSync(path, join(directory, aside))
  } catch (err) {
    rmSync(join(directory, aside), { force: true })
    copied = `there is no copy of it: ${errorMessage(err)}`
  }
  truncateSync(path, size)
  last.size = size
  damage.add(`${path}: cut off its last ${fileSize - size} bytes, which are not whole records; ${copied}`, 1)
  return end
}
