import { constants, inflateSync } from 'node:zlib'
import { StreamError } from './stream-error.js'

/** Of all header blocks of one direction together: a session opens five streams, with a few headers each. */
const MAX_COMPRESSED = 64 * 1024
const MAX_INFLATED = 256 * 1024
const MAX_BLOCKS = 256

/**
 * Reads the header blocks of one direction of SPDY/3, which are one zlib stream with a dictionary. Each block is read by
 * inflating all of them again, which needs no state of zlib's and costs little: sessions have few, and there is a limit.
 */
export class SPDYHeaders {
  #compressed: Buffer = Buffer.alloc(0)
  #inflated = 0
  #blocks = 0

  /**
   * The headers of the next block: names in lower case, and their first value.
   * @throws StreamError
   */
  read(block: Buffer): Map<string, string> {
    this.#compressed = Buffer.concat([this.#compressed, block])
    if (++this.#blocks > MAX_BLOCKS || this.#compressed.length > MAX_COMPRESSED)
      throw new StreamError('a SPDY connection has more headers than a session needs')
    let all: Buffer
    try {
      all = inflateSync(this.#compressed, {
        dictionary: SPDY_DICTIONARY,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: MAX_INFLATED,
      })
    } catch {
      throw new StreamError('the headers of a SPDY stream cannot be inflated')
    }
    const headers = parseHeaders(all.subarray(this.#inflated))
    this.#inflated = all.length
    return headers
  }
}

/** A number of pairs, each a name and a value with their lengths before them; values may be several, with NUL between. */
function parseHeaders(block: Buffer): Map<string, string> {
  const headers = new Map<string, string>()
  let at = 0
  const number = (): number => {
    if (at + 4 > block.length) throw new StreamError('the headers of a SPDY stream are cut off')
    at += 4
    return block.readUInt32BE(at - 4)
  }
  const text = (): string => {
    const length = number()
    if (length > block.length - at) throw new StreamError('the headers of a SPDY stream are cut off')
    at += length
    return block.toString('latin1', at - length, at)
  }
  for (let pairs = number(); pairs > 0; pairs--) {
    const name = text().toLowerCase()
    const [first = ''] = text().split('\0', 1)
    if (headers.has(name)) throw new StreamError('a SPDY stream has a header twice')
    headers.set(name, first)
  }
  return headers
}

/** SPDY Protocol, draft 3, section 2.6.10.1: words with their lengths, then words without. */
export const SPDY_DICTIONARY = Buffer.concat([
  ...`options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin`
    .split(/\s/)
    .flatMap((word) => [Buffer.from([0, 0, 0, word.length]), Buffer.from(word.replace('_', ' '))]),
  Buffer.from(
    '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505' +
      '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized' +
      '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable' +
      'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT' +
      'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,' +
      'text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.',
  ),
])
