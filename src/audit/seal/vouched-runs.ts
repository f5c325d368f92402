import { withSequences } from './chain-head.js'
import type { PublicKey } from './keys.js'
import { readSeal } from './seal-file.js'
import { isSignedBy, type SequenceRange, type SignedStatement, type Statement } from './statement.js'

/** Statements about one log file that follow each other: each names the hash of the one before. */
export interface Run {
  readonly first: SignedStatement
  last: SignedStatement
  /** Those of them that are about whole files. */
  readonly wholeFiles: Statement[]
}

/**
 * What seals hold of an instance, as far as a good signature vouches for it: a seal may be forged, or hold more than it
 * should. Those that are not there have none. Rejects with the system's error where one cannot be read, and with zlib's.
 */
export async function vouchedRuns(
  seals: readonly string[],
  instance: string,
  keys: ReadonlyMap<string, PublicKey>,
): Promise<Run[]> {
  const runs: Run[] = []
  for (const path of seals) {
    try {
      let run: Run | undefined
      for await (const { statement: one } of readSeal(path)) {
        if (one === undefined || one.statement.instance !== instance) continue
        if (run !== undefined && follows(run.last, one)) run.last = one
        else runs.push((run = { first: one, last: one, wholeFiles: [] }))
        if (one.statement.path !== undefined) run.wholeFiles.push(one.statement)
      }
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    }
  }
  return runs.filter(({ last }) => isSignedBy(last, keys))
}

/** Which statements these are. */
export function sequencesOf(runs: readonly Run[]): readonly SequenceRange[] {
  return runs
    .map(({ first, last }) => [first.statement.sequence, last.statement.sequence] as const)
    .reduce<readonly SequenceRange[]>(withSequences, [])
}

function follows(before: SignedStatement, one: SignedStatement): boolean {
  return (
    one.statement.number === before.statement.number &&
    one.statement.sequence === before.statement.sequence + 1 &&
    one.statement.previous === before.hash
  )
}
