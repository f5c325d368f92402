import type { Chain } from './chain.js'
import type { ChainFile } from './chain-file.js'
import { SealedLog } from './sealed-log.js'

/** A log that was handed over, and what was found for it. */
export interface Match {
  readonly path: string
  /** undefined: no chain speaks of it. */
  readonly sealed: SealedLog | undefined
  /** Its lines are sealed, but not by the seal that stands beside it. */
  readonly isElsewhere: boolean
  /** The file that the seal beside it speaks of last. */
  readonly besideOf: ChainFile | undefined
}

interface Candidate {
  readonly chain: Chain
  readonly file: ChainFile
}

/** The path of the log that a seal or a log, compressed or not, belongs to. */
export function plainLogPath(path: string): string {
  return path.replace(/\.gz$/, '').replace(/\.seal$/, '')
}

/**
 * Finds for each log the file of a chain that it is: by the seal beside it, and where that does not speak of its lines by
 * the lines themselves, for whoever collects logs may give them other names.
 */
export async function matchLogs(
  logs: readonly string[],
  chains: readonly Chain[],
  onRead: (bytes: number) => void,
): Promise<Match[]> {
  const all = chains.flatMap((chain) => [...chain.files.values()].map((file) => ({ chain, file })))
  const beside = new Map<string, Candidate[]>()
  for (const candidate of all) {
    for (const seal of candidate.file.seals) {
      const log = plainLogPath(seal)
      beside.set(log, [candidate, ...(beside.get(log) ?? [])])
    }
  }
  const matches = new Map<string, Match>()
  const claimed = new Set<ChainFile>()
  const undecided: { path: string; best: SealedLog | undefined }[] = []
  for (const path of logs) {
    const best = await bestOf(path, beside.get(plainLogPath(path)) ?? [], onRead)
    if (best !== undefined && (best.proven.length > 0 || best.file.ranges.length === 0)) {
      matches.set(path, { path, sealed: best, isElsewhere: false, besideOf: best.file })
      if (best.proven.length > 0) claimed.add(best.file)
    } else {
      undecided.push({ path, best })
    }
  }
  for (const { path, best } of undecided) {
    const others = all.filter(({ file }) => file.ranges.length > 0 && file !== best?.file)
    const found = await bestOf(path, others, undefined)
    const isFound = found !== undefined && found.proven.length > 0
    if (isFound) claimed.add(found.file)
    matches.set(path, {
      path,
      sealed: isFound ? found : best,
      isElsewhere: isFound && best !== undefined,
      besideOf: best?.file,
    })
  }
  return logs.map((path) => dropClaimed(matches.get(path) as Match, claimed))
}

/** Whoever has none of the lines of a file that another log has whole is not that file. */
function dropClaimed(match: Match, claimed: ReadonlySet<ChainFile>): Match {
  const { sealed } = match
  if (sealed === undefined || sealed.proven.length > 0 || !claimed.has(sealed.file)) return match
  return { ...match, sealed: undefined }
}

/** The candidate that most of the lines are of. */
async function bestOf(
  path: string,
  candidates: readonly Candidate[],
  onRead: ((bytes: number) => void) | undefined,
): Promise<SealedLog | undefined> {
  let best: SealedLog | undefined
  for (const { chain, file } of candidates) {
    const one = await SealedLog.compare(path, chain, file, best === undefined ? onRead : undefined)
    if (best === undefined || one.proven.length > best.proven.length) best = one
    if (best.proven.length > 0 && best.proven.length === best.file.ranges.length) break
  }
  return best
}
