import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** What a file is called that was broken: its name and this, and a number where there was one already. */
export const BROKEN = '.broken'
const BROKEN_NAME = /\.broken(\.\d+)?$/
/** How many of them stay for whoever wants to look into them; the oldest go first. */
const KEPT = 16

/**
 * Gives something in a spool's directory that cannot be used a name under which it is in nobody's way.
 *
 * @param mark stands before the end of the name
 * @returns the new name
 * @throws NodeJS.ErrnoException where it cannot be renamed
 */
export function setAside(directory: string, name: string, mark = ''): string {
  const aside = freeName(directory, name + mark)
  renameSync(join(directory, name), join(directory, aside))
  forgetOldest(directory)
  return aside
}

/** A name for what was broken of the file of that name. */
export function freeName(directory: string, name: string): string {
  for (let i = 0; ; i++) {
    const aside = name + BROKEN + (i === 0 ? '' : `.${i}`)
    if (lstatSync(join(directory, aside), { throwIfNoEntry: false }) === undefined) return aside
  }
}

/** Only files: what else has such a name was never the spool's. */
function forgetOldest(directory: string): void {
  const files = readdirSync(directory)
    .filter((name) => BROKEN_NAME.test(name))
    .map((name) => join(directory, name))
    .map((path) => ({ path, stat: lstatSync(path, { throwIfNoEntry: false }) }))
    .filter(({ stat }) => stat?.isFile() === true)
    .sort((a, b) => (b.stat?.ctimeMs ?? 0) - (a.stat?.ctimeMs ?? 0))
  for (const { path } of files.slice(KEPT)) rmSync(path, { force: true })
}
