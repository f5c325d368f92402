import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileProblem } from '../../../config-files.js'
import { ConfigError } from '../../../errors.js'
import { isSealName, sealPaths } from '../seal-file.js'

/** What a crash has left of a compression: the file itself is still there. */
const UNFINISHED = /\.gz\.(tmp|new)$/

/** What was handed over to be verified. */
export interface Inputs {
  readonly logs: readonly string[]
  readonly seals: readonly string[]
  /** Of directories: files that whole-file statements speak of. */
  readonly others: readonly string[]
  /** Whether one of the directories is of such files, if there are any. */
  readonly hasOthers: boolean
  /** Bytes of all. */
  readonly bytes: number
}

/**
 * Sorts paths into logs and seals. Of a log the seal beside it is read, too; of a directory all that is in it.
 * @throws ConfigError where one does not exist
 */
export function sortInputs(paths: readonly string[]): Inputs {
  const logs = new Map<string, string>()
  const seals = new Map<string, string>()
  const others = new Map<string, string>()
  const add = (path: string, otherwise: Map<string, string>): void => {
    if (UNFINISHED.test(path)) return
    const kind = isSealName(basename(path)) ? seals : otherwise
    kind.set(realpathSync(path), path)
    if (kind === logs)
      for (const seal of sealPaths(path)) if (existsSync(seal)) seals.set(realpathSync(seal), seal)
  }
  let hasOthers = false
  for (const path of paths) {
    const found = stat(path)
    if (!found.isDirectory()) {
      add(path, logs)
      continue
    }
    let hasLogs = false
    for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
      const inside = join(path, name)
      // A log has its seal beside it; whatever else is in a directory is a file that was sealed as a whole.
      const isLog = sealPaths(inside).some((seal) => existsSync(seal))
      // What is finished or compressed meanwhile is gone under this name.
      if (statSync(inside, { throwIfNoEntry: false })?.isFile() !== true) continue
      hasLogs ||= isLog || isSealName(name)
      add(inside, isLog ? logs : others)
    }
    hasOthers ||= !hasLogs
  }
  const all = [logs, seals, others].map((kind) => [...kind.values()])
  const [logPaths = [], sealList = [], otherPaths = []] = all
  const bytes = all.flat().reduce((sum, path) => sum + statSync(path).size, 0)
  return {
    logs: logPaths,
    seals: sealList,
    others: otherPaths,
    hasOthers: hasOthers || otherPaths.length > 0,
    bytes,
  }
}

function stat(path: string) {
  try {
    return statSync(path)
  } catch (err) {
    throw new ConfigError(`verify: ${path}: ${fileProblem(err)}`)
  }
}
