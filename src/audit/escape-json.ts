const NEEDS_ESCAPE = /[<>&\u2028\u2029\ud800-\udfff]|\\u[dD]/
/** An escape of any kind (a whole surrogate pair first), what Go escapes, and (because of the u flag) lone surrogates. */
const ESCAPABLE =
  /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\.|[<>&\u2028\u2029\ud800-\udfff]/gu
const LONE_SURROGATE_ESCAPE = /^\\u[dD][89a-fA-F]..$/

/**
 * Escapes what Go's encoding/json escapes beyond JSON.stringify, in the spliced bodies too: <, >, & and the two line
 * separators, which some readers of lines break at. Half a surrogate pair, raw or escaped, is not text in any encoding,
 * and strict parsers refuse the line for it: it becomes U+FFFD.
 */
export function escapeJSON(json: string): string {
  if (!NEEDS_ESCAPE.test(json)) return json
  return json.replace(ESCAPABLE, (found) => {
    if (found.startsWith('\\')) return LONE_SURROGATE_ESCAPE.test(found) ? '\ufffd' : found
    const code = found.charCodeAt(0)
    return code >= 0xd800 && code <= 0xdfff ? '\ufffd' : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
