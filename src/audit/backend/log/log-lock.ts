import { mkdir, realpath } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { ConfigError, errorMessage } from '../../../errors.js'
import type { Problems } from '../problems.js'
import { SocketLock } from '../../../socket-lock.js'
import { DIRECTORY_MODE } from './log-file.js'

/**
 * Keeps a log for one process: two would rotate each other's file away and tear each other's lines. Where the directory
 * can have no socket (it is read-only, its disk is full, its file system knows none) the log goes without, which is said.
 *
 * @throws ConfigError when another process has the log
 */
export async function lockLog(path: string, problems: Problems): Promise<SocketLock | undefined> {
  let lock: SocketLock | undefined
  try {
    await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE })
    // By whatever name it is reached. One that does not exist yet has the name that it will have.
    const real = await realpath(path).catch(() => path)
    const name = crc32(basename(real)).toString(16).padStart(8, '0')
    lock = await SocketLock.acquire(await realpath(dirname(real)), `.lock-${name}`)
  } catch (err) {
    const consequence = 'nothing keeps another process from writing to it as well'
    problems.trouble('the log is not locked', `${path}: ${errorMessage(err)}: ${consequence}`)
    return undefined
  }
  if (lock !== undefined) return lock
  throw new ConfigError(
    `--audit-log-path: ${path} is written by another process already; each needs a log of its own`,
  )
}
