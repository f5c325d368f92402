import type { CommandUsage } from '../src/cli/command-flags.js'
import { valueType, type Flag } from '../src/cli/flag.js'

/** man/kube-audit-proxy.8: troff with the macros of man(7). */
export function manPage(flags: readonly Flag[], commands: readonly CommandUsage<readonly Flag[]>[]): string {
  const groups = [...new Set(flags.map(({ group }) => group))]
  return [
    '.\\" Made by "npm run docs" from the flag table.',
    '.TH KUBE-AUDIT-PROXY 8 "" "kube-audit-proxy" "System Administration"',
    '.ad l\n.nh',
    '.SH NAME',
    'kube\\-audit\\-proxy \\- write the audit log of a kube\\-apiserver from in front of it',
    '.SH SYNOPSIS',
    '.B kube\\-audit\\-proxy',
    '.RI [ flags ]',
    ...commands
      .map(({ synopsis }) => synopsis)
      .flatMap((synopsis) => ['.br', '.B kube\\-audit\\-proxy', line(synopsis)]),
    '.SH DESCRIPTION',
    line(
      'A TLS reverse proxy that stands in front of kube-apiserver and writes the audit log that kube-apiserver itself would have written: the same audit.k8s.io events, from the same policy file, through the same flags.',
    ),
    '.PP',
    line(
      'It needs to know the apiserver (--kubeconfig), a serving certificate (--tls-cert-file, --tls-private-key-file), an audit policy (--audit-policy-file), and where to write or send events (--audit-log-path, --audit-webhook-config-file). Flags that kube-apiserver has, too, have its names, defaults and meaning.',
    ),
    ...groups.flatMap((group) => [
      `.SH ${line(`${group} flags`.toUpperCase())}`,
      ...options(flags.filter((flag) => flag.group === group)),
    ]),
    '.SH COMMANDS',
    ...commands.flatMap((usage) => [
      `.SS ${line(usage.name)}`,
      line(usage.description.replaceAll('\n', ' ')),
      ...options(usage.flags),
      '.PP\nExamples:\n.PP\n.nf\n.RS',
      ...usage.examples.map((example) => line(`kube-audit-proxy ${example}`)),
      '.RE\n.fi',
    ]),
    '.SH SIGNALS',
    '.TP\n.BR SIGTERM ", " SIGINT',
    line(
      'No new connections; requests under way and buffered events are given --shutdown-timeout to end. A second one ends the process at once.',
    ),
    '.TP\n.B SIGHUP',
    line(
      'Reads certificates, the policy and the kubeconfigs again. What is bad is logged, and the old stays in force.',
    ),
    '.SH EXIT STATUS',
    '.TP\n.B 0\nDone.',
    '.TP\n.B 1\nFailed while running.',
    '.TP\n.B 2\nBad usage or configuration; one line on standard error says what.',
    '.SH FILES',
    '.TP\n.I /etc/kube\\-audit\\-proxy/kube\\-audit\\-proxy.yaml',
    line('The configuration that kube-audit-proxy.service reads.'),
    '.SH SEE ALSO',
    '.BR kube\\-apiserver (8),\n.BR systemd.socket (5),\n.BR systemd\\-notify (1)',
    '',
  ].join('\n')
}

function options(flags: readonly Flag[]): string[] {
  return [...flags]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((flag) => {
      const type = valueType(flag)
      const names = flag.shorthand === undefined ? [flag.name] : [`-${flag.shorthand}`, flag.name]
      const shown = type.formatDefault(flag.default)
      const name = names.map((name) => (name.length === 2 ? name : `--${name}`)).join(', ')
      return [
        '.TP',
        type.label === '' ? `.B ${text(name)}` : `.BI "${text(name)} " ${text(type.label)}`,
        line(`${flag.help}${shown === undefined ? '' : ` (default ${shown})`}`),
      ]
    })
}

/** One line of text: what stands at its beginning is no request. */
function line(words: string): string {
  const escaped = text(words)
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped
}

function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
}
