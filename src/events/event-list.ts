/** The texts of a JSON object's `items`, each as it stands there; undefined where it has no such list. */
export function itemTexts(json: string): string[] | undefined {
  let items: string[] | undefined
  let depth = 0
  /** The depth of the list's items while the list is open. */
  let inItems = false
  let start = 0
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(json, at)
        if (depth === 1 && !inItems && json.slice(at, end) === '"items"') {
          const list = /^\s*:\s*\[/.exec(json.slice(end, end + 100))
          if (list !== null) {
            // Of a field that repeats the last counts, as for JSON.parse.
            items = []
            inItems = true
            depth = 2
            start = end + list[0].length
            at = start - 1
            continue
          }
        }
        at = end - 1
        break
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--
        if (inItems && depth === 1) {
          const text = json.slice(start, at).trim()
          if (text !== '') items?.push(text)
          inItems = false
        }
        break
      case COMMA:
        if (inItems && depth === 2) {
          items?.push(json.slice(start, at).trim())
          start = at + 1
        }
        break
    }
  }
  return items
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Where the string that begins at `start` has ended. */
function endOfString(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let backslashes = 0
    while (json[at - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return at + 1
  }
  return json.length
}
