import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { ConfigError } from '../../errors.js'
import { ChainHead } from './chain-head.js'
import type { PublicKey } from './keys.js'
import { type SealKeys } from './keys.js'
import { isSealName, readSeal, SEAL_SUFFIX } from './seal-file.js'
import { isSignedBy, type SignedStatement } from './statement.js'

/** How many statements at a seal's end may be unusable before what is above them is not looked at any more. */
const MAX_BAD = 100

/** The end of a chain that an earlier process has left. */
export interface LoadedHead {
  readonly head: ChainHead
  /** The key that signed its last statement. */
  readonly key: string
}

/**
 * The chain that goes on beside a log: that of its seal, or, where there is none (a crash in the middle of a rotation), the
 * one that is longest among the seals of its rotated files. undefined where there is none at all.
 *
 * @throws ConfigError where the chain was signed with a key that is not at hand
 */
export async function loadHead(log: string, keys: SealKeys, where: string): Promise<LoadedHead | undefined> {
  const known = knownKeys(keys)
  const current = await headOf(log + SEAL_SUFFIX, known)
  if (current !== undefined) {
    if (current === 'unknown key')
      throw new ConfigError(
        `${where}: found another key than the one that ${log + SEAL_SUFFIX} was signed with, ` +
          'expected that one behind the new one in the file, so that it can sign the change',
      )
    return current
  }
  let longest: LoadedHead | undefined
  for (const path of await sealsBeside(log)) {
    const found = await headOf(path, known)
    if (found === undefined || found === 'unknown key') continue
    if (sequenceOf(found) > sequenceOf(longest)) longest = found
  }
  return longest
}

export function knownKeys({ current, before }: SealKeys): Map<string, PublicKey> {
  return new Map([current, ...before].map(({ publicKey }) => [publicKey.id, publicKey]))
}

function sequenceOf(loaded: LoadedHead | undefined): number {
  return loaded?.head.last?.sequence ?? -1
}

/** The paths of the seals of a log and of its rotated files. */
export async function sealsBeside(log: string): Promise<string[]> {
  const directory = dirname(log)
  const prefix = basename(log, extname(log))
  const names = await readdir(directory).catch(() => [])
  return names
    .filter((name) => name.startsWith(prefix) && isSealName(name))
    .map((name) => join(directory, name))
}

/** The head that a seal ends with. A damaged one ends at the last statement that is good. */
async function headOf(
  path: string,
  keys: ReadonlyMap<string, PublicKey>,
): Promise<LoadedHead | 'unknown key' | undefined> {
  try {
    const ends: SignedStatement[] = []
    await fold(path, (one) => {
      ends.push(one)
      if (ends.length > MAX_BAD) ends.shift()
    })
    const good = ends.findLast((one) => isSignedBy(one, keys))
    if (good === undefined) {
      const key = ends.at(-1)?.statement.key
      return key === undefined || keys.has(key) ? undefined : 'unknown key'
    }
    return { head: await headUpTo(path, good), key: good.statement.key }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
}

async function fold(path: string, each: (one: SignedStatement) => void): Promise<void> {
  for await (const { statement, torn } of readSeal(path))
    if (statement !== undefined && !torn) each(statement)
}

/** What a good signature says is true of the statements that it is chained to, and of no others. */
async function headUpTo(path: string, good: SignedStatement): Promise<ChainHead> {
  let head = new ChainHead()
  let hash: string | undefined
  let done = false
  await fold(path, (one) => {
    if (done) return
    if (one.statement.previous !== hash) head = new ChainHead()
    head.advance(one)
    hash = one.hash
    done = hash === good.hash
  })
  return head
}
