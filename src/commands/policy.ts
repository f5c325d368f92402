import { commandGroup } from './command-group.js'
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
export const policyCommand = commandGroup(
  {
    name: 'policy',
    summary: 'Check an audit policy, or explain what it does to a request.',
    help: HELP,
  },
  new Map([
    ['check', policyCheck],
    ['explain', policyExplain],
  ]),
)
