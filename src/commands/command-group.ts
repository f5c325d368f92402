import type { Command } from '../cli/commands.js'
import { nearest } from '../cli/flag.js'
import { ConfigError } from '../errors.js'

/** What a command of a group does with the arguments behind its name; answers the exit code. */
export type Subcommand = (args: readonly string[]) => number | Promise<number>

/** A command that is nothing but others: `kube-audit-proxy NAME COMMAND`. `help` is printed where it is asked for. */
export function commandGroup(
  { name, summary, help }: { readonly name: string; readonly summary: string; readonly help: string },
  commands: ReadonlyMap<string, Subcommand>,
): Command {
  return {
    name,
    summary,
    async run(args) {
      const [first = ''] = args
      const command = commands.get(first)
      if (command !== undefined) return command(args.slice(1))
      if (['-h', '--help', 'help'].includes(first)) {
        process.stdout.write(help)
        return 0
      }
      const names = [...commands.keys()]
      const like = nearest(first, names)
      const expected = names.length === 2 ? names.join(' or ') : `one of ${names.join(', ')}`
      const hint = like === undefined ? `expected ${expected}` : `did you mean ${like}?`
      const unknown = first === '' ? '' : `unknown command ${JSON.stringify(first)}; `
      throw new ConfigError(`${name}: ${unknown}${hint}`)
    },
  }
}
