import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ConfigError } from '../errors.js'
import { parseCertificates } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import type { ClusterConnection } from './connection.js'
import { tokenFile } from './credentials.js'
import { proxyFromEnvironment } from './proxy-url.js'

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

export interface InClusterOptions {
  readonly log: Logger
  readonly env?: NodeJS.ProcessEnv
  /** Where the service account's token and ca.crt are. */
  readonly directory?: string
}

/**
 * The cluster that this process runs in as a pod, with its service account (k8s.io/client-go/rest/config.go
 * InClusterConfig). The token is read again as it is rotated.
 *
 * @throws ConfigError where this is no pod, or one without a service account
 */
export function inClusterConnection(options: InClusterOptions): ClusterConnection {
  const { log, env = process.env, directory = SERVICE_ACCOUNT } = options
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (!host || !port) {
    throw new ConfigError(
      'in-cluster configuration: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, expected to run in a pod',
    )
  }
  const where = 'in-cluster configuration'
  const address = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
  if (!URL.canParse(address)) {
    throw new ConfigError(
      `${where}: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make no address: ${address}`,
    )
  }
  const caFile = join(directory, 'ca.crt')
  const ca = readConfigFile(caFile, where)
  parseCertificates(ca, `${where}: ${caFile}`)
  const server = new URL(address)
  return {
    server,
    proxyUrl: proxyFromEnvironment(server, env),
    tls: { ca, rejectUnauthorized: true },
    credentials: tokenFile(join(directory, 'token'), where, log),
    source: where,
    files: [caFile],
  }
}
