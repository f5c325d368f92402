import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { ConfigError } from '../errors.js'
import { pointKubeconfigAt } from '../kubeconfig/point-at.js'
import { parseCertificates } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import { shownURL } from '../url-text.js'
import type { Command } from '../cli/commands.js'
import { readCommandFlags, type CommandUsage } from '../cli/command-flags.js'
import type { Flag } from '../cli/flag.js'

const group = 'Kubeconfig'
const FLAGS = [
  {
    name: 'server',
    type: 'string',
    default: '',
    group,
    help: 'URL at which clients reach the proxy: https://HOST:PORT.',
  },
  {
    name: 'ca',
    type: 'string',
    default: '',
    group,
    help: "PEM file with the authority of the proxy's serving certificate. It is put into the kubeconfig.",
  },
  {
    name: 'context',
    type: 'string',
    default: '',
    group,
    help: 'Context whose cluster is to be pointed at the proxy. Where it is not set, the current-context.',
  },
] as const satisfies readonly Flag[]

export const KUBECONFIG_USAGE: CommandUsage<typeof FLAGS> = {
  name: 'kubeconfig',
  synopsis: 'kubeconfig --server URL --ca FILE [KUBECONFIG]',
  description: `Prints a kubeconfig that is the same but for one cluster, which is reached through the proxy. Users, contexts, other
clusters and comments stay as they are; relative paths become absolute. Without KUBECONFIG it reads the file that $KUBECONFIG
names, or ~/.kube/config. What it prints has the credentials that the file has: keep it from others.`,
  examples: [
    'kubeconfig --server https://audit.example.com:6443 --ca ca.crt ~/.kube/config >through-proxy.kubeconfig',
  ],
  flags: FLAGS,
}

/** `kube-audit-proxy kubeconfig`. */
export const kubeconfigCommand: Command = {
  name: 'kubeconfig',
  summary: 'Print a kubeconfig that reaches the same cluster through the proxy.',
  run(args) {
    const flags = readCommandFlags(args, KUBECONFIG_USAGE)
    if (flags === undefined) return Promise.resolve(0)
    const [file = defaultFile(process.env), second] = flags.args
    if (second !== undefined)
      fail(`unexpected argument ${JSON.stringify(second)}, expected only one KUBECONFIG`)
    const server = serverURL(flags.get('server'))
    const caFile = flags.get('ca')
    if (caFile === '') fail("--ca is not set, expected the authority of the proxy's serving certificate")
    const ca = readConfigFile(caFile, '--ca')
    parseCertificates(ca, `--ca: ${caFile}`)
    const text = readConfigFile(file, 'KUBECONFIG')
    process.stdout.write(
      pointKubeconfigAt(text, { file, server, ca, context: flags.get('context') || undefined }),
    )
    return Promise.resolve(0)
  },
}

function serverURL(text: string): string {
  if (text === '') fail('--server is not set, expected https://HOST:PORT')
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url?.protocol === 'https:' && url.username === '' && url.password === ''
  if (!isPlain || url.search !== '' || url.hash !== '') {
    fail(`--server: found ${shownURL(text)}, expected https://HOST:PORT`)
  }
  return text.replace(/\/$/, '')
}

/** As kubectl finds it, but one file only. */
function defaultFile(env: NodeJS.ProcessEnv): string {
  const files = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '')
  if (files.length > 1) fail('$KUBECONFIG names several files, expected one of them as KUBECONFIG')
  return files[0] ?? join(homedir(), '.kube', 'config')
}

function fail(problem: string): never {
  throw new ConfigError(`${KUBECONFIG_USAGE.name}: ${problem}`)
}
