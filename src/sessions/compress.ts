import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, unlink, utimes } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { GZ } from './cast-file.js'
import type { StoredRecording } from './stored-recordings.js'

/** What a compressed recording is called until it is whole. */
export const NEW_GZ = `${GZ}.new`

/** Replaces a finished recording by its compressed form, which keeps its time. */
export async function compress({ file, mtime }: StoredRecording): Promise<void> {
  const made = file + NEW_GZ
  try {
    await pipeline(createReadStream(file), createGzip(), createWriteStream(made, { mode: 0o600 }))
    await utimes(made, new Date(), new Date(mtime))
    const handle = await open(made, 'r+')
    await handle.sync().finally(() => handle.close())
    await rename(made, file + GZ)
  } catch (err) {
    await unlink(made).catch(() => undefined)
    throw err
  }
  await unlink(file)
}
