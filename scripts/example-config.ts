import { type Flag, type FlagValue } from '../src/cli/flag.js'
import { wrap } from '../src/cli/help.js'
import { formatDuration } from '../src/cli/values.js'

/** What the example sets; everything else stands there with its default, commented out. */
const SET: Readonly<Record<string, string>> = {
  kubeconfig: '/etc/kube-audit-proxy/kubeconfig',
  'tls-cert-file': '/etc/kube-audit-proxy/tls.crt',
  'tls-private-key-file': '/etc/kube-audit-proxy/tls.key',
  'secure-port': '8443',
  'audit-policy-file': '/etc/kube-audit-proxy/policy.yaml',
  'audit-log-path': '/var/log/kube-audit-proxy/audit.log',
  'audit-log-maxbackup': '10',
  'audit-log-compress': 'true',
  'healthz-bind-address': '127.0.0.1:8081',
  'metrics-bind-address': '127.0.0.1:8082',
}

/** Where the default says nothing, what a value may look like. */
const SHOWN: Readonly<Record<string, string>> = {
  'audit-webhook-spool-directory': '/var/lib/kube-audit-proxy/spool',
}

const WIDTH = 120

/** config/kube-audit-proxy.yaml: every key, with its help. */
export function exampleConfig(flags: readonly Flag[]): string {
  const keys = flags.filter((flag) => flag.commandLineOnly !== true)
  const groups = [...new Set(keys.map(({ group }) => group))]
  const sections = groups.map((group) => {
    const entries = keys.filter((flag) => flag.group === group).map(entry)
    return `\n#### ${group}\n${entries.join('')}`
  })
  return `# The configuration of kube-audit-proxy.service: kube-audit-proxy --config=/etc/kube-audit-proxy/kube-audit-proxy.yaml
#
# Keys are flags without their dashes; a flag on the command line wins. What is commented out shows the default. Durations
# are texts such as 1m30s. A key that does not exist, or a value of another type, stops the start.
#
# Made by "npm run docs" from the flag table.
${sections.join('')}`
}

function entry(flag: Flag): string {
  const help = wrap(flag.help, 2, WIDTH + 5)
    .split('\n')
    .map((line) => `# ${line.trim()}\n`)
    .join('')
  const set = SET[flag.name]
  const value =
    set === undefined ? `#${flag.name}: ${SHOWN[flag.name] ?? yaml(flag)}` : `${flag.name}: ${set}`
  return `\n${help}${value}\n`
}

/** A flag's default as YAML. */
function yaml(flag: Flag): string {
  const value: FlagValue = flag.default
  if (flag.type === 'duration') return formatDuration(value as number)
  if (typeof value === 'string')
    return /^[A-Za-z][\w./:-]*$|^\d+(\.\d+){3}$/.test(value) ? value : JSON.stringify(value)
  if (typeof value === 'boolean' || typeof value === 'number') return String(value)
  return `[${value.map((item) => JSON.stringify(item)).join(', ')}]`
}
