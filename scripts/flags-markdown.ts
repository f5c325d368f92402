import { commandHelp, type CommandUsage } from '../src/cli/command-flags.js'
import { valueType, type Flag } from '../src/cli/flag.js'

const HEAD = `# Flags

<!-- Made by "npm run docs" from the flag table. -->

\`kube-audit-proxy [flags]\` runs the proxy. Flags that kube-apiserver has, too, have its names, defaults and meaning. They are read as
kube-apiserver reads them: \`--flag value\`, \`--flag=value\`, \`--bool\`, \`--bool=false\`; durations like \`1m30s\`; lists with commas.

\`--config FILE\` reads the same from YAML, with the flags' names as keys and lists as YAML lists; a flag on the command line wins.
[config/kube-audit-proxy.yaml](../config/kube-audit-proxy.yaml) has every key.
`

/** docs/flags.md */
export function flagsMarkdown(
  flags: readonly Flag[],
  commands: readonly CommandUsage<readonly Flag[]>[],
): string {
  const groups = [...new Set(flags.map(({ group }) => group))]
  const sections = groups.map((group) => {
    const rows = flags.filter((flag) => flag.group === group).sort((a, b) => (a.name < b.name ? -1 : 1))
    return `\n## ${group}\n\n| flag | default | |\n|---|---|---|\n${rows.map(row).join('')}`
  })
  const help = commands.map((usage) => {
    return `\n## kube-audit-proxy ${usage.name}\n\n\`\`\`\n${commandHelp(usage, 120)}\`\`\`\n`
  })
  return [HEAD, ...sections, ...help].join('')
}

function row(flag: Flag): string {
  const type = valueType(flag)
  const short = flag.shorthand === undefined ? '' : `\`-${flag.shorthand}\`, `
  const name = `${short}\`--${flag.name}${type.label === '' ? '' : ` ${type.label}`}\``
  const shown = type.formatDefault(flag.default)
  const old = flag.deprecatedName === undefined ? '' : ` (Formerly \`--${flag.deprecatedName}\`.)`
  return `| ${name} | ${shown === undefined ? '' : `\`${shown}\``} | ${cell(flag.help)}${old} |\n`
}

/** Text in a cell of a table: no bar ends it, and nothing in it is markup. */
function cell(text: string): string {
  return text.replace(/[|*<]/g, (c) => `\\${c}`)
}
