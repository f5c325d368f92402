import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Milliseconds by which the time of a change can be too early: file systems take it from a clock that ticks. */
const TICK = 20

/** What some files are at one moment. A file that cannot be read is a state as well. */
export interface FileState {
  /** Tells one content from another. */
  readonly content: string
  /** Tells a file from one that has taken its place, and from itself after it was written to, even with the same. */
  readonly stamp: string
}

/** The state of files; `DIR/` stands for all files of a directory, but for hidden ones. */
export function fileState(files: readonly string[]): FileState {
  const content = createHash('sha256')
  let stamp = ''
  for (const name of files.flatMap(expand)) {
    const file = read(name)
    content.update(`${name}\0${typeof file.content === 'string' ? file.content : file.content.length}\0`)
    content.update(file.content)
    stamp += `${name}\0${file.stamp}\0`
  }
  return { content: content.digest('base64'), stamp }
}

export function isSameState(a: FileState, b: FileState): boolean {
  return a.content === b.content && a.stamp === b.stamp
}

/** Whether one of the files was written after that moment, in milliseconds since the epoch. */
export function changedSince(files: readonly string[], moment: number): boolean {
  return files
    .flatMap((file) => (file.endsWith('/') ? [file, ...expand(file)] : [file]))
    .some((file) => (statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? Infinity) > moment - TICK)
}

/** The content of a file, or the code of the error. Of a pipe nobody knows when it ends, so that it has none. */
function read(file: string): { content: Buffer | string; stamp: string } {
  try {
    const stats = statSync(file, { bigint: true })
    const { dev, ino, size, mtimeNs, ctimeNs } = stats
    const content = stats.isFile() ? readFileSync(file) : 'no file'
    return { content, stamp: [dev, ino, size, mtimeNs, ctimeNs].join(' ') }
  } catch (err) {
    return { content: String((err as NodeJS.ErrnoException).code), stamp: '' }
  }
}

function expand(file: string): string[] {
  if (!file.endsWith('/')) return [file]
  try {
    const names = readdirSync(file).filter((name) => !name.startsWith('.'))
    return names.sort().map((name) => join(file, name))
  } catch {
    return []
  }
}
