import { ConfigError } from '../errors.js'

/** The first descriptor that is passed: SD_LISTEN_FDS_START. */
const FIRST = 3
/** More than this is a mistake. */
const MAX = 16

/** Sockets that somebody opened for this process, and which listen. Descriptors. */
export interface InheritedSockets {
  readonly secure?: number
  readonly healthz?: number
  readonly metrics?: number
}

/**
 * The sockets that systemd passes to a service that a socket unit activates (sd_listen_fds(3)). They stay open while
 * the service restarts, so that nobody is refused. A socket whose name (`FileDescriptorName=`) is `healthz` or `metrics`
 * takes the place of --healthz-bind-address or --metrics-bind-address; the one that is left, whatever its name, is the
 * secure port.
 *
 * @param env LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES
 * @throws ConfigError where they are more than those
 */
export function inheritedSockets(env: NodeJS.ProcessEnv, pid: number): InheritedSockets {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env
  if (LISTEN_PID !== String(pid) || LISTEN_FDS === undefined) return {}
  const count = Number(LISTEN_FDS)
  if (!Number.isInteger(count) || count < 0 || count > MAX) {
    throw new ConfigError(`LISTEN_FDS: found ${JSON.stringify(LISTEN_FDS)}, expected a number up to ${MAX}`)
  }
  const names = LISTEN_FDNAMES.split(':')
  const sockets: { secure?: number; healthz?: number; metrics?: number } = {}
  for (let i = 0; i < count; i++) {
    const name = names[i]
    const role = name === 'healthz' || name === 'metrics' ? name : 'secure'
    if (sockets[role] !== undefined) {
      throw new ConfigError(
        `LISTEN_FDS: found ${count} sockets (${LISTEN_FDNAMES}), expected one for the secure port and at most one each named healthz and metrics`,
      )
    }
    sockets[role] = FIRST + i
  }
  return sockets
}
