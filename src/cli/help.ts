import { valueType, type Flag } from './flag.js'

/** Text that still fits into the last line although it is over the width, so that no short word stands alone. */
const SLOP = 5
const MIN_WIDTH = 24

/**
 * The flags in sections, as kube-apiserver prints them (k8s.io/component-base/cli/flag PrintSections and pflag's
 * FlagUsagesWrapped): name, type, text, default; sorted by name within a section, sections in the table's order.
 *
 * @param columns width to wrap at; 0 does not wrap
 */
export function flagSections(flags: readonly Flag[], columns: number): string {
  const groups = new Map<string, Flag[]>()
  for (const flag of flags) groups.set(flag.group, [...(groups.get(flag.group) ?? []), flag])
  return [...groups].map(([group, members]) => `${group} flags:\n\n${usages(members, columns)}`).join('\n')
}

function usages(flags: readonly Flag[], columns: number): string {
  const sorted = [...flags].sort((a, b) => (a.name < b.name ? -1 : 1))
  const rows = sorted.map((flag): [string, string] => {
    const type = valueType(flag)
    const name = `${flag.shorthand === undefined ? '      ' : `  -${flag.shorthand}, `}--${flag.name}`
    const shown = type.formatDefault(flag.default)
    return [
      `${name}${type.label === '' ? '' : ` ${type.label}`}`,
      `${flag.help}${shown === undefined ? '' : ` (default ${shown})`}`,
    ]
  })
  const indent = Math.max(...rows.map(([name]) => name.length)) + 3
  return rows.map(([name, text]) => `${name.padEnd(indent)}${wrap(text, indent, columns)}\n`).join('')
}

/** Wraps a text whose first line begins at `indent` (pflag's wrap). */
export function wrap(text: string, indent: number, columns: number): string {
  if (columns === 0) return text
  let start = ''
  if (columns - indent < MIN_WIDTH) {
    // Too narrow to stand beside the name: it goes below.
    indent = Math.min(16, columns - MIN_WIDTH)
    if (indent < 0) return text
    start = `\n${' '.repeat(indent)}`
  }
  const width = columns - indent - SLOP
  const lines: string[] = []
  let rest = text
  while (rest.length > width + SLOP) {
    const space = rest.lastIndexOf(' ', width)
    if (space <= 0) break
    lines.push(rest.slice(0, space))
    rest = rest.slice(space + 1)
  }
  lines.push(rest)
  return start + lines.join(`\n${' '.repeat(indent)}`)
}
