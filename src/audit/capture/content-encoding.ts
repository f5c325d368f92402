import { constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'

/** The Content-Encodings that are read: kube-apiserver answers with gzip; servers behind it may with deflate. */
export type ContentEncoding = 'identity' | 'gzip' | 'deflate'

/** The encoding of a body by its Content-Encoding header; undefined where it is another, or several. */
export function contentEncodingOf(header: string | undefined): ContentEncoding | undefined {
  switch ((header ?? '').trim().toLowerCase()) {
    case '':
    case 'identity':
      return 'identity'
    case 'gzip':
    case 'x-gzip':
      return 'gzip'
    case 'deflate':
      return 'deflate'
    default:
      return undefined
  }
}

/** The decoded body is larger than was allowed. */
export class BodyTooLargeError extends Error {
  override name = 'BodyTooLargeError'
}

/**
 * The decoded body. Throws a BodyTooLargeError as soon as it has more than `maxBytes`, and zlib's errors.
 *
 * @param prefix `body` is only the beginning: what it decodes to is returned.
 */
export function decodeContent(
  body: Buffer,
  encoding: ContentEncoding,
  maxBytes: number,
  prefix = false,
): Buffer {
  if (encoding === 'identity') return body
  const options = {
    maxOutputLength: maxBytes,
    finishFlush: prefix ? constants.Z_SYNC_FLUSH : constants.Z_FINISH,
  }
  try {
    if (encoding === 'gzip') return gunzipSync(body, options)
    // Some servers send a bare deflate stream where HTTP asks for one in a zlib envelope.
    return isZlib(body) ? inflateSync(body, options) : inflateRawSync(body, options)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw new BodyTooLargeError()
    throw err
  }
}

/** Whether `body` begins with a zlib header (RFC 1950). */
function isZlib(body: Buffer): boolean {
  return body.length >= 2 && ((body[0] as number) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0
}
