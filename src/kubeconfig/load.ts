import type { Logger } from 'pino'
import type { ClusterConnection } from './connection.js'

export interface LoadOptions {
  /** The context to use instead of current-context. */
  readonly context?: string | undefined
  /** Takes the warnings: an expired certificate, a server that is not verified; and what an exec plugin prints. */
  readonly log: Logger
}

/**
 * Reads one kubeconfig file as client-go does (k8s.io/client-go/tools/clientcmd client_config.go ClientConfig).
 *
 * @throws ConfigError naming the file and the field
 */
export function loadKubeconfig(file: string, _options: LoadOptions): ClusterConnection {
  throw new Error(`${file}: not read yet`)
}
