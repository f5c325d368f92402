import type { ConvertedBody, TooLong, Unread } from '../convert.js'
import { JSONWriter, MAX_DEPTH, OutputTooLong, TooDeep } from '../json/json-writer.js'
import { CBORPrinter } from './printer.js'
import { MalformedCBOR } from './reader.js'

/**
 * The object in `body` (application/cbor, application/apply-patch+cbor) as one line of JSON, its keys in the order they
 * came in. Like kube-apiserver this reads one item whose map keys are strings and come once, of integers within int64,
 * finite numbers and valid text strings; byte strings are text, in base64 where a tag says so.
 *
 * @param maxLength how long the JSON may be, in UTF-16 code units
 */
export function cborToJSON(
  body: Buffer,
  { maxLength }: { readonly maxLength: number },
): ConvertedBody | Unread | TooLong {
  const writer = new JSONWriter(maxLength)
  try {
    new CBORPrinter(body, writer).item()
    return { json: writer.out }
  } catch (err) {
    if (err instanceof OutputTooLong) return { tooLong: err.written }
    if (err instanceof TooDeep) return { unread: `the body nests deeper than ${MAX_DEPTH} levels` }
    if (err instanceof MalformedCBOR) return { unread: `the body is not valid cbor: ${err.message}` }
    throw err
  }
}
