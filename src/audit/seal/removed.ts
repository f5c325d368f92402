import { withSequences } from './chain-head.js'
import type { PublicKey } from './keys.js'
import { readSeal, sealPaths } from './seal-file.js'
import { isSignedBy, type SequenceRange, type SignedStatement } from './statement.js'

/** Statements that follow each other: each names the hash of the one before. */
interface Run {
  readonly first: SignedStatement
  last: SignedStatement
}

/**
 * Which statements go when a rotated log goes with its seal: those about this file. A seal may be forged, or hold more
 * than it should, to have us sign that something was removed; so a good signature must vouch for each of them.
 *
 * @param file the log's path, compressed or not
 */
export async function removedSequences(
  file: string,
  instance: string,
  keys: ReadonlyMap<string, PublicKey>,
): Promise<readonly SequenceRange[]> {
  const runs: Run[] = []
  for (const path of sealPaths(file)) {
    try {
      let run: Run | undefined
      for await (const { statement: one } of readSeal(path)) {
        if (one === undefined || one.statement.instance !== instance) continue
        if (run !== undefined && follows(run.last, one)) run.last = one
        else runs.push((run = { first: one, last: one }))
      }
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    }
  }
  return runs
    .filter(({ last }) => isSignedBy(last, keys))
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
