import { isIP } from 'node:net'
import { notNegative } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'

/** An address to listen on. */
export interface BindAddress {
  /** Empty: all interfaces. */
  readonly host: string
  /** 0: a free one. */
  readonly port: number
}

/** The proxy's own health and metrics. undefined: not served. */
export interface StatusOptions {
  readonly healthz: BindAddress | undefined
  readonly metrics: BindAddress | undefined
  /** Milliseconds for which an audit backend may fail and the proxy still be ready. */
  readonly readyAuditGracePeriod: number
}

const GROUP = 'Health and metrics'
const ADDRESS =
  'HOST:PORT, such as 127.0.0.1:PORT; :PORT is all interfaces, for whoever can reach them. Empty or 0 turns it off.'

export const STATUS_FLAGS = [
  {
    name: 'healthz-bind-address',
    type: 'string',
    default: '',
    group: GROUP,
    help: `Address to serve the proxy's own /healthz, /livez and /readyz on, without TLS: ${ADDRESS}`,
  },
  {
    name: 'readyz-audit-grace-period',
    type: 'duration',
    default: 300_000,
    group: GROUP,
    validate: notNegative,
    help: 'How long an audit backend may fail to store events before /readyz fails.',
  },
  {
    name: 'metrics-bind-address',
    type: 'string',
    default: '',
    group: GROUP,
    help: `Address to serve the proxy's own Prometheus /metrics on, without TLS: ${ADDRESS}`,
  },
] as const satisfies readonly Flag[]

/** @throws ConfigError */
export function readStatusOptions(settings: Settings): StatusOptions {
  const values = new FlagValues(STATUS_FLAGS, settings)
  return {
    healthz: bindAddress(values, 'healthz-bind-address'),
    metrics: bindAddress(values, 'metrics-bind-address'),
    readyAuditGracePeriod: values.get('readyz-audit-grace-period'),
  }
}

/** HOST:PORT, [IPv6]:PORT or :PORT as Go's net.Listen takes it; empty and 0 are off. */
function bindAddress(
  values: FlagValues<typeof STATUS_FLAGS>,
  name: 'healthz-bind-address' | 'metrics-bind-address',
): BindAddress | undefined {
  const text = values.get(name)
  if (text === '' || text === '0') return undefined
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65535 || (bracketed !== undefined && isIP(bracketed) !== 6))
    values.fail(name, JSON.stringify(text), 'HOST:PORT, :PORT, or 0 for off')
  return { host: bracketed ?? plain ?? '', port: Number(port) }
}
