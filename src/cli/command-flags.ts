import { ConfigError } from '../errors.js'
import type { Flag, Settings } from './flag.js'
import { FlagValues } from './flag-values.js'
import { flagSections } from './help.js'
import { parseArguments } from './pflag.js'

const HELP_FLAG = {
  name: 'help',
  shorthand: 'h',
  type: 'bool',
  default: false,
  group: 'Global',
  help: 'Print this help and exit.',
} as const satisfies Flag

/** What a command's `--help` says, and the flags that it takes. */
export interface CommandUsage<F extends readonly Flag[]> {
  /** `policy check`: what stands behind the program's name, for messages. */
  readonly name: string
  /** The line behind "Usage:", without the program's name. */
  readonly synopsis: string
  /** What it does, in lines that are wrapped already. */
  readonly description: string
  /** Command lines that work, without the program's name. */
  readonly examples: readonly string[]
  readonly flags: F
}

/** The values of a command's flags, with their types, and its other arguments. */
export class CommandFlags<F extends readonly Flag[]> extends FlagValues<F> {
  /** What is no flag, in its order. */
  readonly args: readonly string[]

  constructor(flags: F, settings: Settings, args: readonly string[]) {
    super(flags, settings)
    this.args = args
  }
}

/**
 * Reads a command's arguments. Where they ask for help, prints it on standard output and answers undefined.
 *
 * @throws ConfigError
 */
export function readCommandFlags<F extends readonly Flag[]>(
  args: readonly string[],
  usage: CommandUsage<F>,
): CommandFlags<F> | undefined {
  const flags = [...usage.flags, HELP_FLAG]
  try {
    const parsed = parseArguments(args, flags)
    if (parsed.settings.get('help')?.value !== true) {
      return new CommandFlags(usage.flags, parsed.settings, parsed.args)
    }
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    throw new ConfigError(`${usage.name}: ${err.message}; see kube-audit-proxy ${usage.name} --help`)
  }
  process.stdout.write(commandHelp(usage, process.stdout.columns ?? 0))
  return undefined
}

/** What `--help` prints, wrapped at `columns`; 0 does not wrap. */
export function commandHelp(
  { synopsis, description, examples, flags }: CommandUsage<readonly Flag[]>,
  columns: number,
): string {
  const shown = examples.map((example) => `  kube-audit-proxy ${example}\n`).join('')
  return `${description}

Usage:
  kube-audit-proxy ${synopsis}

Examples:
${shown}
${flagSections([...flags, HELP_FLAG], columns)}`
}
