/**
 * What a terminal may be shown of text that somebody else has made: everything but what it obeys or hides. That are
 * controls, of C1 too (U+009B begins what ESC [ begins), what turns the direction of text, what cannot be seen (tags,
 * fillers, joiners, soft hyphens), what has no meaning of its own (private use, unassigned), line ends of Unicode, and
 * halves of surrogate pairs.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
/** As text mostly is. */
const PLAIN = /^[ -~]*$/

/** The text on one line, with \\uXXXX for each UTF-16 code unit of what is hidden. */
export function printable(text: string): string {
  return PLAIN.test(text) ? text : text.replace(HIDDEN, escape)
}

/** As printable(), but lines stay lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** JSON of the same value, on one line: what is hidden can only be in strings, or be white space between them. */
export function printableJSON(json: string): string {
  return PLAIN.test(json) ? json : json.replace(/[\t\n\r]/g, ' ').replace(HIDDEN, escape)
}

function escape(char: string): string {
  let escaped = ''
  for (let i = 0; i < char.length; i++) {
    escaped += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`
  }
  return escaped
}
