import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CAST, GZ, PART } from './cast-file.js'

/** A recording on disk. */
export interface StoredRecording {
  /** Relative to the directory of recordings, as events name it: without what being compressed or in progress adds. */
  readonly path: string
  /** Absolute, or relative to where the process is, as the directory was given. */
  readonly file: string
  readonly state: 'in progress' | 'finished' | 'compressed'
  /** Of the file, in bytes. */
  readonly size: number
  /** When it was written last, in milliseconds since the Unix epoch. */
  readonly mtime: number
}

const NUMBERS = /^\d+$/

/** All recordings of a directory, by day. What has another name is left out. */
export async function* storedRecordings(directory: string): AsyncGenerator<StoredRecording> {
  for (const year of await folders(directory)) {
    for (const month of await folders(join(directory, year))) {
      for (const day of await folders(join(directory, year, month))) {
        const folder = join(year, month, day)
        for (const name of await names(join(directory, folder))) {
          const found = await recording(directory, folder, name)
          if (found !== undefined) yield found
        }
      }
    }
  }
}

async function recording(
  directory: string,
  folder: string,
  name: string,
): Promise<StoredRecording | undefined> {
  const state = stateOf(name)
  if (state === undefined) return undefined
  const file = join(directory, folder, name)
  const found = await stat(file).catch(() => undefined)
  if (found === undefined || !found.isFile()) return undefined
  const end = state === 'finished' ? '' : state === 'compressed' ? GZ : PART
  return {
    path: join(folder, name.slice(0, name.length - end.length)),
    file,
    state,
    size: found.size,
    mtime: found.mtimeMs,
  }
}

function stateOf(name: string): StoredRecording['state'] | undefined {
  if (name.endsWith(CAST)) return 'finished'
  if (name.endsWith(CAST + GZ)) return 'compressed'
  return name.endsWith(CAST + PART) ? 'in progress' : undefined
}

async function folders(path: string): Promise<string[]> {
  return (await names(path)).filter((name) => NUMBERS.test(name))
}

/** Sorted. A folder that has gone has none. */
async function names(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort()
  } catch (err) {
    if (['ENOENT', 'ENOTDIR'].includes((err as NodeJS.ErrnoException).code ?? '')) return []
    throw err
  }
}
