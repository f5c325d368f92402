import { ConfigError } from '../errors.js'
import { nearest } from '../cli/flag.js'
import type { Command } from '../cli/commands.js'
import { CHECK_SUMMARY, policyCheck } from './policy-check.js'
import { EXPLAIN_SUMMARY, policyExplain } from './policy-explain.js'

const HELP = `Answers questions about an audit policy without running anything.

Usage:
  kube-audit-proxy policy COMMAND

Commands:
  check     ${CHECK_SUMMARY}
  explain   ${EXPLAIN_SUMMARY}
`

/** `kube-audit-proxy policy check|explain`. */
export const policyCommand: Command = {
  name: 'policy',
  summary: 'Check an audit policy, or explain what it does to a request.',
  run(args) {
    const [first = ''] = args
    switch (first) {
      case 'check':
        return Promise.resolve(policyCheck(args.slice(1)))
      case 'explain':
        return Promise.resolve(policyExplain(args.slice(1)))
      case '-h':
      case '--help':
      case 'help':
        process.stdout.write(HELP)
        return Promise.resolve(0)
      default: {
        const like = nearest(first, ['check', 'explain'])
        const hint = like === undefined ? 'expected check or explain' : `did you mean ${like}?`
        throw new ConfigError(
          first === '' ? `policy: ${hint}` : `policy: unknown command ${JSON.stringify(first)}; ${hint}`,
        )
      }
    }
  },
}
