import { AUDIT_FLAGS } from './audit-flags.js'
import { AUTHENTICATION_FLAGS } from './authentication-flags.js'
import type { Flag } from './flag.js'
import { CIPHER_SUITES, TLS_VERSIONS } from '../server/tls-options.js'
import type { FlagTypes } from './values.js'

/** pino's, least important first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export const LOG_FORMATS = ['json', 'text'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

const notNegative = (value: number) => (value >= 0 ? undefined : 'a duration of 0 or more')
const oneOf = (allowed: readonly string[]) => (value: string) =>
  allowed.includes(value) ? undefined : `one of ${allowed.join(', ')}`
const unsetOrOneOf = (allowed: readonly string[]) => (value: string) =>
  value === '' ? undefined : oneOf(allowed)(value)
/** More than any machine has use for. */
const MAX_WORKERS = 256
const ADDRESS = 'HOST:PORT or :PORT. Empty or 0 turns it off.'

/** All flags of the proxy, in the order of the sections of `--help`. */
export const FLAGS = [
  {
    name: 'config',
    type: 'string',
    default: '',
    group: 'Generic',
    commandLineOnly: true,
    help: 'YAML file with flags as keys, without their dashes. A flag on the command line wins over the file.',
  },
  {
    name: 'shutdown-delay-duration',
    type: 'duration',
    default: 0,
    group: 'Generic',
    validate: notNegative,
    help: 'How long to go on serving after a signal to stop, while /readyz already fails, so that load balancers can turn away.',
  },
  {
    name: 'shutdown-timeout',
    type: 'duration',
    default: 60_000,
    group: 'Generic',
    validate: notNegative,
    help: 'How long, after that, requests may take to end and events to be delivered.',
  },
  {
    name: 'workers',
    type: 'count',
    default: 1,
    group: 'Generic',
    validate: (value: number | 'auto') =>
      value === 'auto' || (value >= 1 && value <= MAX_WORKERS) ? undefined : `1 to ${MAX_WORKERS}, or auto`,
    help: 'How many processes serve requests; auto is one for each core. With more than one, another process writes the audit log for all of them, and --audit-max-capture-memory is divided among them.',
  },
  {
    name: 'bind-address',
    type: 'ip',
    default: '0.0.0.0',
    group: 'Secure serving',
    help: 'IP address to listen on for --secure-port. 0.0.0.0 or :: means all interfaces.',
  },
  {
    name: 'secure-port',
    type: 'int',
    default: 6443,
    group: 'Secure serving',
    validate: (value: number) => (value >= 0 && value <= 65535 ? undefined : 'a port from 0 to 65535'),
    help: 'Port to serve HTTPS on. 0 takes a free one.',
  },
  {
    name: 'tls-cert-file',
    type: 'string',
    default: '',
    group: 'Secure serving',
    help: 'PEM file with the serving certificate, followed by its intermediate certificates.',
  },
  {
    name: 'tls-private-key-file',
    type: 'string',
    default: '',
    group: 'Secure serving',
    help: 'PEM file with the private key of --tls-cert-file.',
  },
  {
    name: 'tls-min-version',
    type: 'string',
    default: '',
    group: 'Secure serving',
    validate: unsetOrOneOf(Object.keys(TLS_VERSIONS)),
    help: `Lowest TLS version to accept; VersionTLS12 where it is not set. Possible values: ${Object.keys(TLS_VERSIONS).join(', ')}`,
  },
  {
    name: 'tls-cipher-suites',
    type: 'strings',
    default: [],
    group: 'Secure serving',
    validate(value: readonly string[]) {
      const unknown = value.filter((suite) => !CIPHER_SUITES.includes(suite))
      return unknown.length === 0 ? undefined : `only some of ${CIPHER_SUITES.join(', ')}`
    },
    help: `Cipher suites to accept, separated by commas; those of Node.js where it is not set. Those of TLS 1.3 are always accepted. Possible values: ${CIPHER_SUITES.join(', ')}`,
  },
  {
    name: 'kubeconfig',
    type: 'string',
    default: '',
    group: 'Upstream',
    help: "Kubeconfig of the upstream kube-apiserver: its address, its CA, and the proxy's own credentials. Without it the proxy must run in a pod, whose service account it takes.",
  },
  {
    name: 'proxy-client-cert-file',
    type: 'string',
    default: '',
    group: 'Upstream',
    help: 'PEM file with the front-proxy client certificate, signed by an authority of the upstream --requestheader-client-ca-file. With it the users of client certificates go upstream as X-Remote-* headers, without it as Impersonate-* headers.',
  },
  {
    name: 'proxy-client-key-file',
    type: 'string',
    default: '',
    group: 'Upstream',
    help: 'PEM file with the private key of --proxy-client-cert-file.',
  },
  ...AUTHENTICATION_FLAGS,
  ...AUDIT_FLAGS,
  {
    name: 'healthz-bind-address',
    type: 'string',
    default: '',
    group: 'Health and metrics',
    help: `Address to serve the proxy's own /healthz, /livez and /readyz on, without TLS: ${ADDRESS}`,
  },
  {
    name: 'readyz-audit-grace-period',
    type: 'duration',
    default: 300_000,
    group: 'Health and metrics',
    validate: notNegative,
    help: 'How long an audit backend may fail to store events before /readyz fails.',
  },
  {
    name: 'metrics-bind-address',
    type: 'string',
    default: '',
    group: 'Health and metrics',
    help: `Address to serve the proxy's own Prometheus /metrics on, without TLS: ${ADDRESS}`,
  },
  {
    name: 'log-format',
    type: 'string',
    default: '',
    group: 'Logs',
    validate: unsetOrOneOf(LOG_FORMATS),
    help: "Format of the proxy's own log on standard error: json or text. Where it is not set, text on a terminal and json otherwise.",
  },
  {
    name: 'log-level',
    type: 'string',
    default: 'info',
    group: 'Logs',
    validate: oneOf(LOG_LEVELS),
    help: `Least important messages to log: ${LOG_LEVELS.join(', ')}.`,
  },
  {
    name: 'help',
    shorthand: 'h',
    type: 'bool',
    default: false,
    group: 'Global',
    commandLineOnly: true,
    help: 'Print this help and exit.',
  },
  {
    name: 'version',
    type: 'bool',
    default: false,
    group: 'Global',
    commandLineOnly: true,
    help: 'Print the version and exit.',
  },
] as const satisfies readonly Flag[]

type AnyFlag = (typeof FLAGS)[number]
export type FlagName = AnyFlag['name']
/** The type of one flag's value. */
export type ValueOf<N extends FlagName> = FlagTypes[Extract<AnyFlag, { name: N }>['type']]
