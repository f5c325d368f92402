import { open, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { noteLine } from './asciicast.js'
import { CAST, GZ, PART } from './cast-file.js'

const BLOCK = 64 * 1024
const NEWLINE = 0x0a

/**
 * Finishes a recording whose process is gone: what is no whole line is cut off, a note says what happened, and it gets its name.
 * One without as much as a header is removed.
 * @param file the part
 * @param reason for the note
 */
export async function finishOrphan(file: string, reason: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const { size } = await handle.stat()
    const end = await lastNewline(handle, size)
    if (end === 0) return await unlink(file)
    await handle.truncate(end)
    const previous = await lastNewline(handle, end - 1)
    const line = await read(handle, previous, Math.min(BLOCK, end - previous))
    const seconds = Number(/^\[(\d+(?:\.\d+)?),/.exec(line.toString('latin1'))?.[1] ?? 0)
    // A full disk does not keep it from being finished.
    await handle
      .write(noteLine(seconds * 1000, { kind: 'recovered', reason }), end)
      .catch(() => handle.truncate(end))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(file, await freeName(file.slice(0, -PART.length)))
}

/** Where the last line that is whole ends, before `end`; 0 where there is none. */
async function lastNewline(handle: FileHandle, end: number): Promise<number> {
  for (let to = end; to > 0; to -= BLOCK) {
    const from = Math.max(0, to - BLOCK)
    const at = (await read(handle, from, to - from)).lastIndexOf(NEWLINE)
    if (at >= 0) return from + at + 1
  }
  return 0
}

async function read(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await handle.read(buffer, 0, length, position)
  return buffer.subarray(0, bytesRead)
}

async function freeName(path: string): Promise<string> {
  for (const name of [path, path + GZ]) {
    if (await stat(name).catch(() => undefined))
      return `${path.slice(0, -CAST.length)}~${randomBytes(4).toString('hex')}${CAST}`
  }
  return path
}
