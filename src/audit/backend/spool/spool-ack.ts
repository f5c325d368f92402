import { readFileSync, rmSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const FILE = 'acknowledged'
const TEMPORARY = 'acknowledged.tmp'

/** Undefined: there is none. Null: there is one, and it is not what was written. */
export type Acknowledged = number | undefined | null

/**
 * How far the receiver has the events: one line with the sequence number of the first one that it has not, and a
 * CRC-32 of it.
 *
 * @throws NodeJS.ErrnoException when the file is there and cannot be read
 */
export function readAcknowledged(directory: string): Acknowledged {
  let text: string
  try {
    text = readFileSync(join(directory, FILE), 'latin1')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
  const digits = /^(\d{1,16}) [0-9a-f]{8}\n$/.exec(text)?.[1]
  if (digits === undefined || encode(Number(digits)) !== text) return null
  return Number(digits)
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
    rmSync(temporary, { force: true })
    throw err
  }
}

function encode(sequence: number): string {
  return `${sequence} ${crc32(String(sequence)).toString(16).padStart(8, '0')}\n`
}
