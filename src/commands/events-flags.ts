import { LEVELS, STAGES } from '../audit/event.js'
import { ConfigError } from '../errors.js'
import { parseCodeRange, type CodeRange, type EventQuery } from '../events/filter.js'
import type { CommandFlags, CommandUsage } from '../cli/command-flags.js'
import type { Flag } from '../cli/flag.js'
import { parseDuration } from '../cli/values.js'

const FILTER = 'Filter'
const OUTPUT = 'Output'
const onlyOf = (allowed: readonly string[]) => (values: readonly string[]) =>
  values.every((value) => allowed.includes(value)) ? undefined : `only some of ${allowed.join(', ')}`
const oneOf = (allowed: readonly string[]) => (value: string) =>
  allowed.includes(value) ? undefined : `one of ${allowed.join(', ')}`

const FLAGS = [
  {
    name: 'user',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Users, or those whom they impersonate. * stands for any text: system:node:*',
  },
  { name: 'verb', type: 'strings', default: [], group: FILTER, help: 'Verbs, such as create.' },
  {
    name: 'resource',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Resources: pods (with its subresources), pods/log, deployments.apps. * stands for any text.',
  },
  {
    name: 'namespace',
    shorthand: 'n',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Namespaces. * stands for any text.',
  },
  { name: 'name', type: 'strings', default: [], group: FILTER, help: 'Names. * stands for any text.' },
  {
    name: 'code',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Status codes of the response: 403, 4xx or 400-499.',
    validate: (values: readonly string[]) =>
      values.every((value) => parseCodeRange(value) !== undefined)
        ? undefined
        : 'status codes such as 403, 4xx or 400-499',
  },
  {
    name: 'stage',
    type: 'strings',
    default: [],
    group: FILTER,
    help: `Stages: ${STAGES.join(', ')}.`,
    validate: onlyOf(STAGES),
  },
  {
    name: 'level',
    type: 'strings',
    default: [],
    group: FILTER,
    help: `Levels: ${LEVELS.slice(1).join(', ')}.`,
    validate: onlyOf(LEVELS.slice(1)),
  },
  {
    name: 'audit-id',
    type: 'strings',
    default: [],
    group: FILTER,
    help: 'Audit IDs: all events of one request have the same, and the response has it in its Audit-Id header.',
  },
  {
    name: 'since',
    type: 'string',
    default: '',
    group: FILTER,
    help: 'Earliest time: 2026-01-31, 2026-01-31T10:15:00Z (without a zone it is UTC), or how long ago: 90m.',
    validate: timeProblem,
  },
  {
    name: 'until',
    type: 'string',
    default: '',
    group: FILTER,
    help: 'Latest time, as --since.',
    validate: timeProblem,
  },
  {
    name: 'follow',
    shorthand: 'f',
    type: 'bool',
    default: false,
    group: OUTPUT,
    help: 'Go on with what is added to FILE, also when it is rotated. Begins with the next event; with --since or --backups it reads what is there first.',
  },
  {
    name: 'backups',
    type: 'bool',
    default: false,
    group: OUTPUT,
    help: 'Read the rotated files of each FILE before it, the oldest first.',
  },
  {
    name: 'verified-only',
    type: 'bool',
    default: false,
    group: OUTPUT,
    help: 'Only lines that a seal beside FILE proves to be those that were written. Needs --key.',
  },
  {
    name: 'key',
    type: 'strings',
    default: [],
    group: OUTPUT,
    help: 'PEM files with the public keys that --verified-only trusts.',
  },
  {
    name: 'output',
    shorthand: 'o',
    type: 'string',
    default: 'text',
    group: OUTPUT,
    help: 'text, or json: the events as they are in the log, but for hidden characters, which become \\uXXXX.',
    validate: oneOf(['text', 'json']),
  },
  {
    name: 'summary',
    type: 'bool',
    default: false,
    group: OUTPUT,
    help: 'Instead of events, show the most frequent users, verbs, resources and failures, and the rate over time.',
  },
  {
    name: 'color',
    type: 'string',
    default: 'auto',
    group: OUTPUT,
    help: 'auto (at a terminal, unless NO_COLOR is set), always or never.',
    validate: oneOf(['auto', 'always', 'never']),
  },
] as const satisfies readonly Flag[]

export type EventsFlags = CommandFlags<typeof FLAGS>

export const EVENTS_USAGE: CommandUsage<typeof FLAGS> = {
  name: 'events',
  synopsis: 'events [FILE...] [flags]',
  description: `Reads audit logs, gzipped or not, and prints one line for each event: time (UTC), stage, level, user, verb, object, status
code, time since the request came. A line may be an event, an EventList as webhooks are sent it, or either of them in the log of
a container. Without FILE, or where it is -, it reads standard input. Seals (.seal) among the files are left out. An event must satisfy all
filters; a filter that is given several times, or with commas, takes any of its values.`,
  examples: [
    'events /var/log/kube-audit-proxy/audit.log --user alice --code 4xx',
    'events -f /var/log/kube-audit-proxy/audit.log --verb create,update,patch,delete',
    'events --backups /var/log/kube-audit-proxy/audit.log --since 24h --summary',
    'events audit-*.log.gz audit.log --resource secrets -o json | jq .user.username',
  ],
  flags: FLAGS,
}

/**
 * What the flags ask for.
 *
 * @param now milliseconds since the Unix epoch
 * @throws ConfigError where nothing can be found
 */
export function eventQuery(flags: EventsFlags, now: number): EventQuery {
  const since = parseTime(flags.get('since'), now)
  const until = parseTime(flags.get('until'), now)
  if (since !== undefined && until !== undefined && since > until) {
    throw new ConfigError('events: --since is later than --until')
  }
  return {
    users: flags.get('user'),
    verbs: flags.get('verb'),
    resources: flags.get('resource'),
    namespaces: flags.get('namespace'),
    names: flags.get('name'),
    codes: flags.get('code').map((text) => parseCodeRange(text) as CodeRange),
    stages: flags.get('stage'),
    levels: flags.get('level'),
    auditIDs: flags.get('audit-id'),
    since,
    until,
  }
}

const TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:\d{2})?)?$/

/** Milliseconds since the Unix epoch; undefined for the empty text, NaN for what is no time. */
export function parseTime(text: string, now: number): number | undefined {
  if (text === '') return undefined
  const ago = parseDuration(text)
  if (ago !== undefined) return now - ago
  const [, date, time = '00:00', zone = 'Z'] = TIME.exec(text) ?? []
  return date === undefined ? NaN : Date.parse(`${date}T${time}${zone}`)
}

/** What is expected of a time, where the text is none. */
export function timeProblem(text: string): string | undefined {
  return Number.isNaN(parseTime(text, 0))
    ? 'a time such as 2026-01-31T10:15:00Z, or how long ago such as 90m'
    : undefined
}
