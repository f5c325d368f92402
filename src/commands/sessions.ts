import { commandGroup, type Subcommand } from './command-group.js'
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

const COMMANDS: Readonly<Record<string, { readonly summary: string; readonly run: Subcommand }>> = {
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
export const sessionsCommand = commandGroup(
  { name: 'sessions', summary: 'List, show or play the recordings of exec and attach.', help: HELP },
  new Map(Object.entries(COMMANDS).map(([name, { run }]) => [name, run])),
)
