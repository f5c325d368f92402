import { ConfigError } from '../errors.js'
import type { Command } from '../cli/commands.js'
import { nearest } from '../cli/flag.js'
import { LIST_SUMMARY, sessionsList } from './sessions-list.js'
import { PLAY_SUMMARY, sessionsPlay } from './sessions-play.js'
import {
  CAT_SUMMARY,
  EXPORT_SUMMARY,
  sessionsCat,
  sessionsExport,
  sessionsShow,
  SHOW_SUMMARY,
} from './sessions-read.js'

const COMMANDS: Readonly<
  Record<string, { readonly summary: string; run(args: readonly string[]): Promise<number> }>
> = {
  list: { summary: LIST_SUMMARY, run: sessionsList },
  show: { summary: SHOW_SUMMARY, run: sessionsShow },
  play: { summary: PLAY_SUMMARY, run: sessionsPlay },
  cat: { summary: CAT_SUMMARY, run: sessionsCat },
  export: { summary: EXPORT_SUMMARY, run: sessionsExport },
}

const HELP = `Reads recordings of exec and attach, which the proxy writes to --session-recording-path.

Usage:
  kube-audit-proxy sessions COMMAND

Commands:
${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(9)} ${summary}\n`)
  .join('')}`

/** `kube-audit-proxy sessions list|show|play|cat|export`. */
export const sessionsCommand: Command = {
  name: 'sessions',
  summary: 'List, show or play the recordings of exec and attach.',
  async run(args) {
    const [first = ''] = args
    const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined
    if (command !== undefined) return command.run(args.slice(1))
    if (['-h', '--help', 'help'].includes(first)) {
      process.stdout.write(HELP)
      return 0
    }
    const names = Object.keys(COMMANDS)
    const like = nearest(first, names)
    const hint = like === undefined ? `expected one of ${names.join(', ')}` : `did you mean ${like}?`
    throw new ConfigError(
      first === '' ? `sessions: ${hint}` : `sessions: unknown command ${JSON.stringify(first)}; ${hint}`,
    )
  },
}
