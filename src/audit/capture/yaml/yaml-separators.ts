import { CST, Scalar } from 'yaml'

/** The line breaks of YAML 1.1 that the parser does not know. */
const SEPARATORS = /[\u2028\u2029]/g
const SEPARATOR = /[\u2028\u2029]/
/** The end of a line within a scalar, with the empty lines behind it. */
const LINE_END = /[ \t]*(?:[\n\u2028\u2029][ \t]*)+/g
const BREAKS = /[\n\u2028\u2029]/g
/** Stands for the end of a line while the rest of a scalar is resolved. */
const PLACEHOLDER = '\ue000'
const TYPES: ReadonlyMap<string | undefined, 'scalar' | 'single-quoted-scalar' | 'double-quoted-scalar'> =
  new Map([
    [Scalar.PLAIN, 'scalar'],
    [Scalar.QUOTE_SINGLE, 'single-quoted-scalar'],
    [Scalar.QUOTE_DOUBLE, 'double-quoted-scalar'],
  ])

/** `text` with U+2028 and U+2029 as ordinary line breaks, in their places. */
export function withoutSeparators(text: string): string {
  return text.replace(SEPARATORS, '\n')
}

/** Whether `source` has U+2028 or U+2029 in it. */
export function hasSeparator(source: string): boolean {
  return SEPARATOR.test(source)
}

/** How many U+2028 and U+2029 `source` has. */
export function countSeparators(source: string): number {
  return source.match(SEPARATORS)?.length ?? 0
}

/**
 * The text of a scalar that has U+2028 or U+2029 in it: these are no line breaks that are folded into a space, but stay
 * (go.yaml.in/yaml/v2 scannerc.go yaml_parser_scan_flow_scalar, yaml_parser_scan_plain_scalar). Undefined for what is not
 * read: block scalars, and an escaped end of a line.
 *
 * @param source as it stands in the text
 * @param type of the scalar's node
 */
export function resolveWithSeparators(source: string, type: string | undefined): string | undefined {
  const tokenType = TYPES.get(type)
  if (tokenType === undefined || source.includes(PLACEHOLDER)) return undefined
  const ends: string[] = []
  let escaped = false
  const packed = source.replace(LINE_END, (end: string, at: number) => {
    if (!SEPARATOR.test(end)) return end
    escaped ||= tokenType === 'double-quoted-scalar' && source[at - 1] === '\\'
    const breaks = end.match(BREAKS) ?? []
    ends.push((breaks[0] === '\n' ? breaks.slice(1) : breaks).join(''))
    return PLACEHOLDER
  })
  if (escaped) return undefined
  const token = { type: tokenType, offset: 0, indent: 0, source: packed } as const
  const value = CST.resolveAsScalar(token)?.value
  return value?.replaceAll(PLACEHOLDER, () => ends.shift() ?? '')
}
