import { ConfigError, errorMessage } from './errors.js'
import { SocketLock } from './socket-lock.js'

/**
 * Keeps a directory for this process.
 *
 * @param flag the flag that names it, for the message
 * @throws ConfigError when another process has the directory, or nobody can have it
 */
export async function lockDirectory(directory: string, flag: string): Promise<SocketLock> {
  let lock: SocketLock | undefined
  try {
    lock = await SocketLock.acquire(directory, 'lock')
  } catch (err) {
    throw new ConfigError(`${flag}: cannot lock ${directory}: ${errorMessage(err)}`)
  }
  if (lock !== undefined) return lock
  throw new ConfigError(
    `${flag}: ${directory} is in use by another process; each needs a directory of its own`,
  )
}
