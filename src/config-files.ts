import { readFileSync } from 'node:fs'
import { ConfigError, errorMessage } from './errors.js'

/**
 * Reads a file that a flag or a field names.
 *
 * @param where what named the file, the start of the message: `--client-ca-file`
 * @throws ConfigError
 */
export function readConfigFile(file: string, where: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (err) {
    throw new ConfigError(`${where}: ${file}: ${fileProblem(err)}`)
  }
}

/** Why a file could not be read, in a few words. */
export function fileProblem(err: unknown): string {
  const code = (err as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied'
  if (code === 'EISDIR') return 'is a directory, expected a file'
  return errorMessage(err)
}
