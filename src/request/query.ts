import { queryUnescape } from './escape.js'

/**
 * Visits the pairs of a query in order, as net/url ParseQuery reads them: a pair that it refuses is left out. Values are as
 * they were received, encoded.
 *
 * @param rawQuery as received, one character per byte
 */
export function visitQuery(rawQuery: string, visit: (key: string, rawValue: string) => void): void {
  for (let start = 0; start <= rawQuery.length;) {
    let end = rawQuery.indexOf('&', start)
    if (end < 0) end = rawQuery.length
    const pair = rawQuery.slice(start, end)
    start = end + 1
    if (pair === '' || pair.includes(';')) continue // Go has refused a semicolon in a pair since 1.17
    const equals = pair.indexOf('=')
    const key = queryUnescape(equals < 0 ? pair : pair.slice(0, equals))
    if (key !== undefined) visit(key, equals < 0 ? '' : pair.slice(equals + 1))
  }
}
