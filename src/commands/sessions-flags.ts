import { ConfigError } from '../errors.js'
import { oneOf } from '../cli/checks.js'
import type { CommandUsage } from '../cli/command-flags.js'
import type { Flag } from '../cli/flag.js'
import { timeProblem } from './events-flags.js'

const FILTER = 'Filter'
const OUTPUT = 'Output'
const positive = (value: number): string | undefined => (value > 0 ? undefined : 'more than 0')
const notNegative = (value: number): string | undefined =>
  value >= 0 ? undefined : 'a duration of 0 or more'

const LIST_FLAGS = [
  {
    name: 'user',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Users, or those whom they impersonate. * stands for any text: system:serviceaccount:*',
  },
  {
    name: 'namespace',
    shorthand: 'n',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Namespaces. * stands for any text.',
  },
  { name: 'name', type: 'strings', default: [], group: FILTER, help: 'Pods. * stands for any text.' },
  {
    name: 'resource',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'pods/exec or pods/attach. * stands for any text.',
  },
  {
    name: 'audit-id',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Audit IDs of the requests.',
  },
  {
    name: 'since',
    type: 'string',
    default: '',
    group: FILTER,
    help: 'Earliest begin: 2026-01-31, 2026-01-31T10:15:00Z (without a zone it is UTC), or how long ago: 90m.',
    validate: timeProblem,
  },
  {
    name: 'until',
    type: 'string',
    default: '',
    group: FILTER,
    help: 'Latest begin, as --since.',
    validate: timeProblem,
  },
  {
    name: 'output',
    shorthand: 'o',
    type: 'string',
    default: 'text',
    group: OUTPUT,
    help: 'text, or json: one object per session.',
    validate: oneOf(['text', 'json']),
  },
] as const satisfies readonly Flag[]

export const LIST_USAGE: CommandUsage<typeof LIST_FLAGS> = {
  name: 'sessions list',
  synopsis: 'sessions list DIR [flags]',
  description: `Lists the recordings of a directory, which is the proxy's --session-recording-path: when a session began (UTC), who, where,
how long, the exit code, the command. A session must satisfy all filters; a filter that is given several times, or with
commas, takes any of its values.`,
  examples: [
    'sessions list /var/lib/kube-audit-proxy/sessions --user alice --since 24h',
    'sessions list /var/lib/kube-audit-proxy/sessions -n shop -o json | jq .auditID',
  ],
  flags: LIST_FLAGS,
}

const FILE =
  'FILE is a recording, compressed or not, finished or in progress; or name the directory and the audit ID.'

export const SHOW_USAGE: CommandUsage<[]> = {
  name: 'sessions show',
  synopsis: 'sessions show (FILE | DIR AUDIT-ID)',
  description: `Shows what is known of a session: who, where, the command, how it ended, and what its recording has notes of.
${FILE}`,
  examples: ['sessions show /var/lib/kube-audit-proxy/sessions 6c1f0ad0-2f8b-4a8b-9d0a-3a6d5b1c9f11'],
  flags: [],
}

const FOLLOW = {
  name: 'follow',
  shorthand: 'f',
  type: 'bool',
  default: false,
  group: OUTPUT,
  help: 'Go on with what is recorded of a session in progress, to its end.',
} as const satisfies Flag

const CAT_FLAGS = [FOLLOW] as const satisfies readonly Flag[]

export const CAT_USAGE: CommandUsage<typeof CAT_FLAGS> = {
  name: 'sessions cat',
  synopsis: 'sessions cat (FILE | DIR AUDIT-ID) [flags]',
  description: `Prints the output of a session as text, without escape sequences and other control characters.
${FILE}`,
  examples: ['sessions cat 2026/01/31/6c1f0ad0-2f8b-4a8b-9d0a-3a6d5b1c9f11.cast | grep -i password'],
  flags: CAT_FLAGS,
}

const PLAY_FLAGS = [
  FOLLOW,
  {
    name: 'speed',
    shorthand: 's',
    type: 'float64',
    default: 1,
    group: OUTPUT,
    help: 'How much faster than it was.',
    validate: positive,
  },
  {
    name: 'idle-time-limit',
    shorthand: 'i',
    type: 'duration',
    default: 0,
    group: OUTPUT,
    help: 'The longest that nothing may happen, such as 2s. 0 is no limit.',
    validate: notNegative,
  },
] as const satisfies readonly Flag[]

export const PLAY_USAGE: CommandUsage<typeof PLAY_FLAGS> = {
  name: 'sessions play',
  synopsis: 'sessions play (FILE | DIR AUDIT-ID) [flags]',
  description: `Plays a session in this terminal, at the pace at which it was. The space bar pauses, q ends it. It shows the session's escape
sequences as they are: use cat for what nobody should trust.
${FILE}`,
  examples: [
    'sessions play 2026/01/31/6c1f0ad0-2f8b-4a8b-9d0a-3a6d5b1c9f11.cast --speed 2 --idle-time-limit 1s',
  ],
  flags: PLAY_FLAGS,
}

export const EXPORT_USAGE: CommandUsage<[]> = {
  name: 'sessions export',
  synopsis: 'sessions export (FILE | DIR AUDIT-ID)',
  description: `Prints a recording as asciicast v2 and nothing else, for players that take no other events.
${FILE}`,
  examples: [
    'sessions export /var/lib/kube-audit-proxy/sessions 6c1f0ad0-2f8b-4a8b-9d0a-3a6d5b1c9f11 > session.cast',
  ],
  flags: [],
}

/** @throws ConfigError */
export function fail(name: string, problem: string): never {
  throw new ConfigError(`${name}: ${problem}`)
}
