import { STAGES } from '../audit/event.js'
import { explain, type Explanation } from '../audit/policy/explain.js'
import { loadPolicy } from '../audit/policy/load.js'
import { withAuthenticatedGroup } from '../authentication/groups.js'
import { ALL_UNAUTHENTICATED, ANONYMOUS, type UserInfo } from '../request/user-info.js'
import { ConfigError } from '../errors.js'
import { printable, printableLines } from '../printable.js'
import { isLongRunning } from '../request/long-running.js'
import { nonResourceRequest, type RequestInfo } from '../request/request-info.js'
import { readCommandFlags, type CommandFlags, type CommandUsage } from '../cli/command-flags.js'
import type { Flag } from '../cli/flag.js'
import { isSession, loadSessionPolicy } from '../sessions/policy.js'
import { onlyFile } from './policy-check.js'

export const EXPLAIN_SUMMARY = 'Say which rule decides how a request is recorded, and why.'

const group = 'Request'
const FLAGS = [
  {
    name: 'user',
    type: 'string',
    default: ANONYMOUS,
    group,
    help: 'Who asks. A service account is system:serviceaccount:NAMESPACE:NAME.',
  },
  {
    name: 'group',
    type: 'strings',
    default: [],
    group,
    help: 'Groups of the user, besides those that everybody of that name has: system:authenticated, and those of a service account.',
  },
  {
    name: 'verb',
    type: 'string',
    default: '',
    group,
    help: 'get, list, watch, create, update, patch, delete, deletecollection; for a path the HTTP method in lower case, where get is the default.',
  },
  {
    name: 'resource',
    type: 'string',
    default: '',
    group,
    help: 'Resource asked for, such as pods; or RESOURCE/SUBRESOURCE, such as pods/log.',
  },
  { name: 'subresource', type: 'string', default: '', group, help: 'Subresource, such as log.' },
  {
    name: 'api-group',
    type: 'string',
    default: '',
    group,
    help: 'API group of the resource, such as apps. Where it is not set it is the core group.',
  },
  {
    name: 'namespace',
    shorthand: 'n',
    type: 'string',
    default: '',
    group,
    help: 'Namespace; empty for a cluster resource or all namespaces.',
  },
  { name: 'name', type: 'string', default: '', group, help: 'Name of the object.' },
  {
    name: 'path',
    type: 'string',
    default: '',
    group,
    help: 'Path of a request that is for no resource, such as /healthz.',
  },
  {
    name: 'session-recording-policy-file',
    type: 'string',
    default: '',
    group,
    help: 'File that says which sessions are recorded: what it says of the request is explained as well.',
  },
] as const satisfies readonly Flag[]

export const EXPLAIN_USAGE: CommandUsage<typeof FLAGS> = {
  name: 'policy explain',
  synopsis: 'policy explain FILE (--verb VERB --resource RESOURCE | --path PATH) [flags]',
  description: `Says how an audit policy has a request recorded: which rule decides, at which level and stages, and why the rules before
it do not match.`,
  examples: [
    'policy explain policy.yaml --user alice --group dev --verb get --resource pods/log --namespace shop --name web',
    'policy explain policy.yaml --user alice --verb create --resource deployments --api-group apps -n shop',
    'policy explain policy.yaml --user alice --verb create --resource pods/exec -n shop --session-recording-policy-file sessions.yaml',
    'policy explain policy.yaml --path /healthz',
  ],
  flags: FLAGS,
}

type ExplainFlags = CommandFlags<typeof FLAGS>

/**
 * @returns the exit code
 * @throws ConfigError
 */
export function policyExplain(args: readonly string[]): number {
  const flags = readCommandFlags(args, EXPLAIN_USAGE)
  if (flags === undefined) return 0
  const file = onlyFile(flags.args, EXPLAIN_USAGE.name)
  const user = userOf(flags)
  const info = flags.get('path') === '' ? resourceRequest(flags) : pathRequest(flags)
  const policy = loadPolicy(file, (warning) =>
    process.stderr.write(`kube-audit-proxy: warning: ${printable(warning)}\n`),
  )
  const sessions = flags.text('session-recording-policy-file')
  const recording = sessions === undefined ? [] : [`Session:  ${explainSession(sessions, user, info)}`]
  process.stdout.write(printableLines(render(explain(policy, user, info), user, info, recording)))
  return 0
}

const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):[^:]+$/

/** With the groups that come with a name: k8s.io/apiserver/pkg/authentication/serviceaccount MakeGroupNames. */
function userOf(flags: ExplainFlags): UserInfo {
  const username = flags.get('user')
  const groups = [...flags.get('group')]
  if (username === ANONYMOUS) groups.push(ALL_UNAUTHENTICATED)
  const namespace = SERVICE_ACCOUNT.exec(username)?.[1]
  if (namespace !== undefined) groups.push('system:serviceaccounts', `system:serviceaccounts:${namespace}`)
  return withAuthenticatedGroup({ username, groups: [...new Set(groups)] })
}

function pathRequest(flags: ExplainFlags): RequestInfo {
  for (const name of ['resource', 'subresource', 'api-group', 'namespace', 'name'] as const) {
    if (flags.isSet(name)) fail(`--path and --${name} are both set, expected only one of the two`)
  }
  const path = flags.get('path')
  if (!path.startsWith('/')) fail(`--path: found ${JSON.stringify(path)}, expected a path that begins with /`)
  return { ...nonResourceRequest('', path), verb: flags.get('verb') || 'get' }
}

function resourceRequest(flags: ExplainFlags): RequestInfo {
  const [resource = '', attached = '', more] = flags.get('resource').split('/')
  if (resource === '') fail('neither --resource nor --path is set, expected one of the two')
  if (more !== undefined) fail('--resource: found two slashes, expected RESOURCE or RESOURCE/SUBRESOURCE')
  const verb = flags.get('verb')
  if (verb === '') fail('--verb is not set, expected one such as get, list or create')
  const given = flags.get('subresource')
  if (given !== '' && attached !== '' && given !== attached) {
    fail('--resource and --subresource name different subresources')
  }
  const subresource = given || attached
  const [apiGroup, namespace, name] = [flags.get('api-group'), flags.get('namespace'), flags.get('name')]
  return {
    isResourceRequest: true,
    path: '',
    verb,
    apiPrefix: apiGroup === '' ? 'api' : 'apis',
    apiGroup,
    apiVersion: 'v1',
    namespace,
    resource,
    subresource,
    name,
  }
}

/** What the session policy says of the request. */
function explainSession(file: string, user: UserInfo, info: RequestInfo): string {
  const policy = loadSessionPolicy(file)
  if (!isSession(info)) return 'none: the request is neither exec nor attach'
  const { record, rule } = policy.decide(user, info)
  const why = rule === undefined ? 'no rule matches' : `rule ${rule}`
  const input = record === 'InputAndOutput' ? '; input only with --session-recording-input' : ''
  return `${record} (${why} in ${file})${input}`
}

/** @param recording lines about what is recorded of a session */
function render(
  { rules, decidedBy, config }: Explanation,
  user: UserInfo,
  info: RequestInfo,
  recording: readonly string[],
): string {
  const stages = STAGES.filter(
    (stage) => !config.omitStages.has(stage) && (stage !== 'ResponseStarted' || isLongRunning(info)),
  )
  const lines = [
    `Request:  ${describe(info)}`,
    `User:     ${quote(user.username)}, groups ${(user.groups ?? []).map(quote).join(', ')}`,
    `Rule:     ${decidedBy ?? 'none matches'}`,
    `Level:    ${config.level}`,
  ]
  if (config.level !== 'None') {
    lines.push(
      `Stages:   ${stages.join(', ') || 'none: nothing is recorded'}${stages.includes('Panic') ? ' (Panic only where the request fails that way)' : ''}`,
    )
    if (config.omitManagedFields) lines.push('Objects:  without metadata.managedFields')
  }
  lines.push(...recording, '')
  const width = String(rules.length).length
  const asked = decidedBy === undefined ? rules : rules.slice(0, decidedBy)
  for (const { rule, matches, reason } of asked) {
    lines.push(`rule ${String(rule).padStart(width)}  ${matches ? 'matches' : 'no     '}  ${reason}`)
  }
  const left = rules.length - asked.length
  if (left === 1) lines.push('The rule after it no longer matters.')
  if (left > 1) lines.push(`The ${left} rules after it no longer matter.`)
  return `${lines.join('\n')}\n`
}

function describe(info: RequestInfo): string {
  if (!info.isResourceRequest) return `${info.verb} ${quote(info.path)}`
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`
  return [
    `${info.verb} ${quote(resource)}`,
    info.apiGroup === '' ? '' : ` of API group ${quote(info.apiGroup)}`,
    info.name === '' ? '' : ` named ${quote(info.name)}`,
    info.namespace === '' ? '' : ` in namespace ${quote(info.namespace)}`,
  ].join('')
}

function quote(text: string): string {
  return JSON.stringify(text)
}

function fail(problem: string): never {
  throw new ConfigError(`${EXPLAIN_USAGE.name}: ${problem}`)
}
