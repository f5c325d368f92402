import { fstatSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { ChainHead } from './chain-head.js'
import { hasRange } from './log-range.js'
import { OpenLog } from './open-log.js'
import { isSealName } from './seal-file.js'

/**
 * Whether an open file is the one that a chain is in: it has the lines that were sealed last, or, where none were, the
 * inode.
 */
export async function isFileOf(head: ChainHead, fd: number): Promise<boolean> {
  const { size, ino } = fstatSync(fd)
  const { last, range } = head
  if (last === undefined || size < last.offset + last.length) return false
  return range === undefined ? ino === head.inode : hasRange(fd, range)
}

/** A log file under another name, open for reading. */
export interface MovedLog {
  readonly name: string
  readonly open: OpenLog
  readonly dev: number
  readonly inode: number
  readonly mode: number
  readonly size: number
}

/**
 * The file beside the log that a chain is in: it was rotated while nobody could say so. It is the
 * caller's to close.
 */
export async function findMoved(log: string, head: ChainHead): Promise<MovedLog | undefined> {
  const prefix = basename(log, extname(log))
  for (const name of await readdir(dirname(log))) {
    if (!name.startsWith(prefix) || name === basename(log) || isSealName(name)) continue
    let open: OpenLog
    try {
      open = new OpenLog(join(dirname(log), name))
    } catch {
      continue
    }
    const found = fstatSync(open.fd)
    const { dev, ino: inode, mode, size } = found
    if (found.isFile() && (await isFileOf(head, open.fd))) return { name, open, dev, inode, mode, size }
    open.close()
  }
  return undefined
}
