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
  const found = await findSegments(directory, told ?? 0, damage)
  // No number is used again that a file has which was put aside: it would be a gap among those of now.
  const used = found.findLast(({ state }) => state === 'gone')?.base ?? 0
  // What the receiver has everything of is no gap any more.
  while (found[0]?.state === 'gone' && (told === undefined || found[0].base < told)) found.shift()
  const end = await recoverEnd(directory, found, damage)
  const start = found[0]?.base ?? end
  if (told !== undefined && start !== undefined && start > told) {
    damage.add(`${directory}: the segments from ${told} to ${start} are missing`, start - told)
  }
  if (told !== undefined && end !== undefined && end < told && damage.segments === 0) {
    damage.add(`${directory}: the last segment ends at ${end}, though ${told} were delivered`)
  }
  damage.tell(problems)

  // A power cut can take back the end of a segment that was sent already.
  const next = Math.max(end ?? 0, told ?? 0, start ?? 0, used)
  // Of a directory that has neither an acknowledgement nor a segment nobody can say that anything is missing.
  const acknowledged = Math.max(told ?? 0, start ?? told ?? next)
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

/** What was put aside at an earlier start. */
const GONE = { size: 0, problem: 'gone' }

/** All segments in order, those that were put aside now or earlier included. */
async function findSegments(directory: string, told: number, damage: Damage): Promise<Segment[]> {
  const names = readdirSync(directory)
  const bases = new Set(names.map(segmentBase).filter((base) => base !== undefined))
  const gone = names
    .filter((name) => name.endsWith(BROKEN))
    .map((name) => segmentBase(name.slice(0, -BROKEN.length)))
    .filter((base) => base !== undefined && !bases.has(base))
  const all = [...bases, ...gone.map((base) => base as number)].sort((a, b) => a - b)
  const segments: Segment[] = []
  for (const [i, base] of all.entries()) {
    const { size, problem } = bases.has(base) ? examine(directory, base) : GONE
    const path = segmentPath(directory, base)
    if (problem === undefined) segments.push({ base, size })
    else if (problem === 'unfinished' && i === all.length - 1) rmSync(path)
    else {
      const isForeign = await cannotBe(directory, base, segments.at(-1))
      if (!isForeign) segments.push({ base, size: 0, state: 'gone' })
      if (!bases.has(base)) continue
      const aside = setAside(directory, basename(path), isForeign ? '.foreign' : '')
      const lost = isForeign ? 0 : lossOf(base, all[i + 1], told)
      damage.add(`${path}: ${problem}; it is now called ${aside}`, lost)
    }
  }
  return segments
}

/** Whether no segment can have had that number, after the one before it. What has its name then says nothing. */
async function cannotBe(directory: string, base: number, before: Segment | undefined): Promise<boolean> {
  if (before === undefined) return false
  if (base - before.base > mostRecords(before.size)) return true
  return (
    before.state === undefined && before.base + (await scanSegment(directory, before.base)).records > base
  )
}

/** How many events that the receiver has not were in a segment, as far as the number of the next one tells. */
function lossOf(base: number, next: number | undefined, told: number): number {
  if (next === undefined || next - base > mostRecords(0)) return 0
  return Math.max(0, next - Math.max(base, told))
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
