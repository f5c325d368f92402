import { ConfigError } from '../errors.js'
import { readConfig } from './config-file.js'
import { nearest, type Flag, type Settings } from './flag.js'
import { CONFIG_FLAG, GLOBAL_FLAGS } from './global-flags.js'
import { flagSections } from './help.js'
import { parseArguments } from './pflag.js'

export const PROGRAM = 'kube-audit-proxy'

/** What the process exits with after a ConfigError. */
export const USAGE_EXIT_CODE = 2

/** `kube-audit-proxy NAME`: everything that is not running the proxy. It reads its own arguments. */
export interface Command {
  readonly name: string
  /** One line, for `--help`. */
  readonly summary: string
  /**
   * @param args what stands behind the name
   * @returns the exit code
   * @throws ConfigError for bad arguments
   */
  run(args: readonly string[]): Promise<number>
}

/** What a command line asks for. */
export type CommandLine =
  | { readonly kind: 'run'; readonly settings: Settings; readonly warnings: readonly string[] }
  | { readonly kind: 'command'; readonly command: Command; readonly args: readonly string[] }
  /** `--help` or `--version`: to print on standard output. */
  | { readonly kind: 'print'; readonly text: string }

export interface CommandLineContext {
  /** Of the program itself, besides --config, --help and --version. */
  readonly flags: readonly Flag[]
  readonly commands: readonly Command[]
  readonly version: string
  /** Of the terminal that help is printed on; 0 where it is none. */
  readonly columns: number
}

/**
 * Reads the arguments behind the program's name: `COMMAND ...` or flags.
 *
 * @throws ConfigError for what cannot be understood; usageError makes it the line to print
 */
export function parseCommandLine(argv: readonly string[], context: CommandLineContext): CommandLine {
  const [first] = argv
  if (first !== undefined && !first.startsWith('-')) {
    const command = context.commands.find(({ name }) => name === first)
    if (command !== undefined) return { kind: 'command', command, args: argv.slice(1) }
    if (first === 'help') return { kind: 'print', text: help(context) }
    const names = ['help', ...context.commands.map(({ name }) => name)]
    const like = nearest(first, names)
    throw new ConfigError(`unknown command "${first}"${like === undefined ? '' : `; did you mean ${like}?`}`)
  }
  const flags = allFlags(context.flags)
  const { settings, args, warnings } = parseArguments(argv, flags)
  if (settings.get('help')?.value === true) return { kind: 'print', text: help(context) }
  if (settings.get('version')?.value === true)
    return { kind: 'print', text: `${PROGRAM} ${context.version}\n` }
  if (args[0] !== undefined) throw unexpected(args[0], context)
  return { kind: 'run', settings: withConfigFile(settings, flags), warnings }
}

/** The program's own flags with those that every command line takes, in the order of the sections of `--help`. */
export function allFlags(flags: readonly Flag[]): Flag[] {
  return [CONFIG_FLAG, ...flags, ...GLOBAL_FLAGS]
}

/** The line for standard error, after which the process exits with USAGE_EXIT_CODE. */
export function usageError(err: ConfigError): string {
  return `${PROGRAM}: error: ${err.message}\n`
}

function withConfigFile(settings: Settings, flags: readonly Flag[]): Settings {
  const file = settings.get('config')?.value
  if (typeof file !== 'string' || file === '') return settings
  return new Map([...readConfig(file, flags), ...settings])
}

function unexpected(arg: string, { commands }: CommandLineContext): ConfigError {
  const problem = `unexpected argument ${JSON.stringify(arg)}`
  if (commands.some(({ name }) => name === arg))
    return new ConfigError(`${problem}; a command comes before any flag`)
  if (arg === 'true' || arg === 'false')
    return new ConfigError(`${problem}; a flag that is true or false takes =${arg}`)
  return new ConfigError(problem)
}

function help({ commands, columns, flags }: CommandLineContext): string {
  const width = Math.max(0, ...commands.map(({ name }) => name.length)) + 3
  const list = commands.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}\n`).join('')
  return [
    'A TLS reverse proxy in front of kube-apiserver that writes the audit log kube-apiserver itself would have written.\n\n',
    `Usage:\n  ${PROGRAM} [flags]\n`,
    list === '' ? '' : `  ${PROGRAM} COMMAND\n\nCommands:\n${list}`,
    `\n${flagSections(allFlags(flags), columns)}`,
  ].join('')
}
