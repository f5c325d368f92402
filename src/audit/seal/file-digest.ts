import { createHash } from 'node:crypto'
import { plainBytes } from './plain-bytes.js'

/** What a statement says of a whole file. */
export interface FileDigest {
  /** Bytes, uncompressed. */
  readonly size: number
  /** Of these, in hex. */
  readonly sha256: string
}

/**
 * Reads a whole file, uncompressed where it is gzip. Rejects with the system's error, or zlib's.
 * @param onRead told how many bytes of the file were read
 */
export async function digestOf(path: string, onRead?: (bytes: number) => void): Promise<FileDigest> {
  const hash = createHash('sha256')
  let size = 0
  for await (const piece of plainBytes(path, onRead)) {
    hash.update(piece)
    size += piece.length
  }
  return { size, sha256: hash.digest('hex') }
}
