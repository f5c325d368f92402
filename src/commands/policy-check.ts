import { lintPolicy } from '../audit/policy/lint.js'
import { loadPolicy } from '../audit/policy/load.js'
import { ConfigError } from '../errors.js'
import { printable } from '../printable.js'
import { readCommandFlags, type CommandUsage } from '../cli/command-flags.js'
import type { Flag } from '../cli/flag.js'

export const CHECK_SUMMARY = 'Say whether a policy is valid, and what in it is probably not meant.'

const FLAGS = [
  {
    name: 'strict',
    type: 'bool',
    default: false,
    group: 'Check',
    help: 'Exit with 1 where there are warnings.',
  },
] as const satisfies readonly Flag[]

export const CHECK_USAGE: CommandUsage<typeof FLAGS> = {
  name: 'policy check',
  synopsis: 'policy check FILE [flags]',
  description: `Reads an audit policy as the proxy would. Where it is valid, warns of rules that can never match because earlier rules
cover them, of values that match nothing, of rules that record credentials, and of what kube-apiserver loads with a
warning, such as unknown fields. Exits with 0 where it is valid and with 2 where it is not.`,
  examples: ['policy check policy.yaml', 'policy check --strict policy.yaml'],
  flags: FLAGS,
}

/**
 * @returns the exit code
 * @throws ConfigError also where the policy is not valid
 */
export function policyCheck(args: readonly string[]): number {
  const flags = readCommandFlags(args, CHECK_USAGE)
  if (flags === undefined) return 0
  const file = onlyFile(flags.args, CHECK_USAGE.name)
  const warnings: string[] = []
  const policy = loadPolicy(file, (warning) => warnings.push(warning.replace(`${file}: `, '')))
  for (const { rule, message } of lintPolicy(policy)) warnings.push(`rule ${rule} ${message}`)
  const { length } = policy.rules
  process.stdout.write(`${printable(file)}: valid, ${length} ${length === 1 ? 'rule' : 'rules'}\n`)
  for (const warning of warnings) process.stdout.write(`${printable(`${file}: warning: ${warning}`)}\n`)
  return flags.get('strict') && warnings.length > 0 ? 1 : 0
}

/** @throws ConfigError where there is not exactly one argument */
export function onlyFile(args: readonly string[], command: string): string {
  const [file, second] = args
  if (file === undefined) throw new ConfigError(`${command}: no FILE, expected the file of an audit policy`)
  if (second !== undefined) {
    throw new ConfigError(`${command}: unexpected argument ${JSON.stringify(second)}, expected only one FILE`)
  }
  return file
}
