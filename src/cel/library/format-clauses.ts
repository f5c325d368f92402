import { EvaluationError } from '../errors.js'

export type Verb = 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o'

/** `%s`, `%.2f` and so on. */
export interface Clause {
  readonly verb: Verb
  readonly precision: number | undefined
}

/**
 * The parts of a format: text as it is, and clauses, each for the next argument (cel-go ext/formatting.go parseFormatString).
 *
 * @throws EvaluationError
 */
export function parseFormat(format: string): (string | Clause)[] {
  const parts: (string | Clause)[] = []
  const pattern = /%(%|(?:\.(\d*))?([^]?))|[^%]+/gy
  for (const [all, substituted, precision, verb = ''] of format.matchAll(pattern)) {
    if (substituted === undefined) parts.push(all)
    else if (substituted === '%') parts.push('%')
    else if (/^[sdfebxXo]$/.test(verb)) parts.push({ verb: verb as Verb, precision: precisionOf(precision) })
    else throw refused(verb === '' ? 'unexpected end of string' : `unrecognized formatting clause "${verb}"`)
  }
  return parts
}

/** Go's strconv.Atoi. */
function precisionOf(digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined
  const short = digits.replace(/^0+(?=\d)/, '')
  if (short === '' || short.length > 19 || BigInt(short) >= 1n << 63n) throw refused('the precision is none')
  return Number(short)
}

function refused(why: string): EvaluationError {
  return new EvaluationError(`could not parse formatting clause: ${why}`)
}
