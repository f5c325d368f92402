/**
 * Field selectors, as far as a request's name needs them: k8s.io/apimachinery/pkg/fields/selector.go ParseSelector.
 */

const NAME_FIELD = 'metadata.name'

/**
 * The value that a field selector requires metadata.name to have (RequiresExactMatch), empty where it requires none.
 * Undefined where the selector is invalid.
 */
export function nameInFieldSelector(selector: string): string | undefined {
  let found: string | undefined
  let name = ''
  for (let start = 0; start < selector.length;) {
    const end = endOfTerm(selector, start)
    if (end > start) {
      const term = selector.slice(start, end)
      const parsed = parseTerm(term)
      if (parsed === undefined) return undefined
      // Of several terms kube-apiserver takes the one that sorts first.
      if (parsed.requires && parsed.field === NAME_FIELD && (found === undefined || precedes(term, found))) {
        found = term
        name = parsed.value
      }
    }
    start = end + 1
  }
  return name
}

/** Where the term ends that starts here: at a comma that no backslash escapes. */
function endOfTerm(selector: string, start: number): number {
  for (let i = start; i < selector.length; i++) {
    if (selector[i] === '\\') i++
    else if (selector[i] === ',') return i
  }
  return selector.length
}

/** `field=value`, `field==value` or `field!=value`. */
function parseTerm(term: string): { field: string; requires: boolean; value: string } | undefined {
  const equals = term.indexOf('=')
  if (equals < 0) return undefined
  const requires = term[equals - 1] !== '!'
  const isDouble = requires && term[equals + 1] === '='
  const value = unescapeValue(term.slice(equals + (isDouble ? 2 : 1)))
  return value === undefined
    ? undefined
    : { field: term.slice(0, requires ? equals : equals - 1), requires, value }
}

/** UnescapeValue: `\\`, `\,` and `\=` stand for the character; without the backslash it is an error. */
function unescapeValue(value: string): string | undefined {
  if (!/[\\,=]/.test(value)) return value
  if (/[\\,=]/.test(value.replace(/\\[\\,=]/g, ''))) return undefined
  return value.replace(/\\([\\,=])/g, '$1')
}

function precedes(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
}
