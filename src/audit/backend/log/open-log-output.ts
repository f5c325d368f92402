import type { Awaitable } from '../../../awaitable.js'
import { close, constants, open } from 'node:fs'
import { lstat, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { isatty, WriteStream } from 'node:tty'
import { promisify } from 'node:util'
import { ConfigError, errorMessage } from '../../../errors.js'
import type { Problems } from '../problems.js'
import { Backups, type BackupOptions } from './backups.js'
import { FifoOutput } from './fifo-output.js'
import { LogFile } from './log-file.js'
import { lockLog } from './log-lock.js'
import type { LogSeal } from './log-seal.js'
import type { AuditLogOptions } from './options.js'
import { DescriptorOutput, standardOutput, StreamOutput, type LogOutput } from './log-output.js'

type LogFileOptions = Pick<AuditLogOptions, 'path' | 'maxage' | 'maxbackup' | 'maxsize' | 'compress'>
/** Begins to seal the log. */
type OpenSeal = () => Promise<LogSeal>

const openDescriptor = promisify(open)
const closeDescriptor = promisify(close)

const MEGABYTE = 2 ** 20
/** Without rotation kube-apiserver has a plain file and no lumberjack (AuditLogOptions.getWriter), which alone looks after rotated files. */
const ALONE: BackupOptions = { maxAge: 0, maxBackup: 0, compress: false }
/** Errors that pass when somebody makes room. They do not keep the proxy from starting. */
const FULL = new Set(['ENOSPC', 'EDQUOT'])

/**
 * Opens what --audit-log-path names, sealed where that is asked for, which only a regular file can be. A regular file is rotated. Standard output (`-`, /dev/stdout), standard error, other
 * descriptors, FIFOs and devices are written to as they are: nothing is renamed there, not even where /dev/stdout leads to
 * a regular file, for the name belongs to everybody.
 *
 * @throws ConfigError for what cannot be opened. A FIFO may wait for its reader, and a full disk for somebody to clean up.
 */
export async function openLogOutput(
  options: LogFileOptions,
  problems: Problems,
  openSeal?: OpenSeal,
): Promise<LogOutput> {
  const unrotated = await openUnrotated(options.path, problems)
  if (unrotated === undefined) return openLogFile(options, problems, await openSeal?.())
  if (openSeal === undefined) return unrotated
  await unrotated.close()
  throw new ConfigError(
    `--audit-log-path: found ${options.path}, expected a regular file: only that can be sealed`,
  )
}

/** What is no regular file; undefined where it is one or is to become one. */
async function openUnrotated(path: string, problems: Problems): Promise<LogOutput | undefined> {
  if (path === '-') return standardOutput()
  try {
    const descriptor = await descriptorOf(path)
    if (descriptor?.own === true && (descriptor.fd === 1 || descriptor.fd === 2)) {
      return standardOutput(descriptor.fd)
    }
    const found = await stat(path).catch(() => undefined)
    if (found?.isFIFO() === true) return await openFifo(path, problems)
    const device = found?.isCharacterDevice() === true
    if (device || (found?.isFile() === true && descriptor !== undefined)) return await openAsIs(path)
  } catch (err) {
    throw cannotWrite(err)
  }
  return undefined
}

/** The file descriptor that a path stands for: /dev/stdout, /dev/fd/3, /proc/self/fd/1, or a symlink to one of these. */
async function descriptorOf(
  path: string,
): Promise<{ readonly own: boolean; readonly fd: number } | undefined> {
  let next = resolve(path)
  // As many symlinks as Linux follows.
  for (let i = 0; i < 40; i++) {
    const directory = await realpath(dirname(next)).catch(() => undefined)
    if (directory === undefined) return undefined
    const name = basename(next)
    const pid = /^\/proc\/(\d+)(?:\/task\/\d+)?\/fd$/.exec(directory)?.[1]
    if (pid !== undefined && /^\d+$/.test(name)) return { own: Number(pid) === process.pid, fd: Number(name) }
    const place = join(directory, name)
    const found = await lstat(place).catch(() => undefined)
    if (found?.isSymbolicLink() !== true) return undefined
    next = resolve(directory, await readlink(place))
  }
  return undefined
}

async function openFifo(path: string, problems: Problems): Promise<LogOutput> {
  const fifo = new FifoOutput(path, (reason) => problems.trouble('waits for a reader', reason))
  await fifo.open()
  return fifo
}

/** A device, or a file that somebody else has opened. */
async function openAsIs(path: string): Promise<LogOutput> {
  const { O_WRONLY, O_APPEND, O_NOCTTY } = constants
  const fd = await openDescriptor(path, O_WRONLY | O_APPEND | O_NOCTTY)
  if (isatty(fd)) {
    const terminal = new WriteStream(fd)
    return closing(new StreamOutput(terminal), () => void terminal.destroy())
  }
  return closing(new DescriptorOutput(fd), () => closeDescriptor(fd))
}

function closing(output: LogOutput, close: () => Awaitable<void> | undefined): LogOutput {
  return {
    append: (lines) => output.append(lines),
    async close() {
      await output.close()
      await close()
    },
  }
}

async function openLogFile(
  options: LogFileOptions,
  problems: Problems,
  seal: LogSeal | undefined,
): Promise<LogOutput> {
  const { path, maxage, maxbackup, maxsize, compress } = options
  const rotates = maxsize > 0
  const backups = new Backups(
    path,
    rotates ? { maxAge: maxage, maxBackup: maxbackup, compress } : ALONE,
    (reason) => problems.trouble('cannot compress or remove rotated files', reason),
    seal?.observer,
  )
  const file = new LogFile(
    path,
    rotates ? maxsize * MEGABYTE : Infinity,
    backups,
    (kind, reason) => problems.trouble(kind, reason),
    seal?.observer,
  )
  const lock = await lockLog(path, problems)
  try {
    await file.open()
  } catch (err) {
    if (!isFull(err)) {
      await lock?.release()
      throw cannotWrite(err)
    }
    problems.trouble('cannot open the log', errorMessage(err))
  }
  return closing(seal?.over(file) ?? file, () => lock?.release())
}

function isFull(err: unknown): boolean {
  return err instanceof Error && 'code' in err && FULL.has(String(err.code))
}

function cannotWrite(err: unknown): ConfigError {
  return new ConfigError(`--audit-log-path: ${errorMessage(err)}, expected a file that can be written`)
}
