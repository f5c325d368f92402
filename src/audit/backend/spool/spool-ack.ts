import { lstatSync, readFileSync, rmSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { errorMessage } from '../../../errors.js'
import { setAside } from './set-aside.js'

const FILE = 'acknowledged'
const TEMPORARY = 'acknowledged.tmp'

/** Undefined: there is none. */
export type Acknowledged =
  | { readonly sequence: number }
  /** There was one, and it is not what was written: it has another name now. */
  | { readonly broken: string }
  | undefined

/**
 * How far the receiver has the events: one line with the sequence number of the first one that it has not, and a
 * CRC-32 of it.
 *
 * @throws NodeJS.ErrnoException where what is in its place can neither be read nor renamed
 */
export function readAcknowledged(directory: string): Acknowledged {
  const temporary = lstatSync(join(directory, TEMPORARY), { throwIfNoEntry: false })
  if (temporary?.isFile() === false) setAside(directory, TEMPORARY)
  let problem: string
  try {
    const sequence = decode(readFileSync(join(directory, FILE), 'latin1'))
    if (sequence !== undefined) return { sequence }
    problem = 'is not as it was written'
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    problem = `cannot be read (${errorMessage(err)})`
  }
  return { broken: `${join(directory, FILE)} ${problem}, and is now called ${setAside(directory, FILE)}` }
}

/**
 * Replaces the file in one step. It is not forced to the disk: what a power cut takes back is sent twice.
 *
 * Rejects with a NodeJS.ErrnoException; the old file is then in place.
 */
export async function writeAcknowledged(directory: string, sequence: number): Promise<void> {
  const temporary = join(directory, TEMPORARY)
  try {
    await writeFile(temporary, encode(sequence), { mode: 0o600 })
    await rename(temporary, join(directory, FILE))
  } catch (err) {
    rmSync(temporary, { force: true, recursive: true })
    throw err
  }
}

function encode(sequence: number): string {
  return `${sequence} ${crc32(String(sequence)).toString(16).padStart(8, '0')}\n`
}

function decode(text: string): number | undefined {
  const digits = /^(\d{1,16}) [0-9a-f]{8}\n$/.exec(text)?.[1]
  return digits === undefined || encode(Number(digits)) !== text ? undefined : Number(digits)
}
