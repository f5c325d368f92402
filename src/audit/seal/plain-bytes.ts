import { open } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

const PIECE = 1 << 20

/**
 * The bytes of a file, uncompressed where it is gzip: its first bytes say that (RFC 1952), for a name may lie. Rejects with
 * the system's error where the file cannot be read, and zlib's where it is damaged.
 *
 * @param onRead told how many bytes of the file were read
 */
export async function* plainBytes(
  path: string,
  onRead: (bytes: number) => void = () => undefined,
): AsyncGenerator<Buffer> {
  const handle = await open(path)
  try {
    const head = Buffer.alloc(2)
    await handle.read(head, 0, 2, 0)
    const source = pieces(
      handle.createReadStream({ start: 0, highWaterMark: PIECE, autoClose: false }),
      onRead,
    )
    if (head[0] !== 0x1f || head[1] !== 0x8b) {
      yield* source
      return
    }
    const gunzip = createGunzip({ chunkSize: PIECE })
    // Its errors come out of gunzip; this only has to be told to somebody.
    pipeline(Readable.from(source, { objectMode: false }), gunzip, () => undefined)
    yield* gunzip as AsyncIterable<Buffer>
  } finally {
    await handle.close()
  }
}

async function* pieces(source: Readable, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const piece of source as AsyncIterable<Buffer>) {
    onRead(piece.length)
    yield piece
  }
}
