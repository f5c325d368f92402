import { readCertificateFiles, type CertificateFiles } from '../certificate-files.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'
import { ConfigError } from '../errors.js'

/** Where the kube-apiserver is, and how identities are asserted to it. */
export interface UpstreamOptions {
  /** undefined: the cluster that the proxy is a pod of. */
  readonly kubeconfig: string | undefined
  /** The front-proxy certificate; undefined: identities go upstream by impersonation. */
  readonly proxyClientCert: CertificateFiles | undefined
}

const GROUP = 'Upstream'

export const UPSTREAM_FLAGS = [
  {
    name: 'kubeconfig',
    type: 'string',
    default: '',
    group: GROUP,
    help: "Kubeconfig of the upstream kube-apiserver: its address, its CA, and the proxy's own credentials. Without it the proxy must run in a pod, whose service account it takes.",
  },
  {
    name: 'proxy-client-cert-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the front-proxy client certificate, signed by an authority of the upstream --requestheader-client-ca-file. With it the users of client certificates go upstream as X-Remote-* headers, without it as Impersonate-* headers.',
  },
  {
    name: 'proxy-client-key-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the private key of --proxy-client-cert-file.',
  },
] as const satisfies readonly Flag[]

/** @throws ConfigError */
export function readUpstreamOptions(settings: Settings, env: NodeJS.ProcessEnv): UpstreamOptions {
  const values = new FlagValues(UPSTREAM_FLAGS, settings)
  const kubeconfig = values.text('kubeconfig')
  if (kubeconfig === undefined && !env.KUBERNETES_SERVICE_HOST) {
    throw new ConfigError(
      '--kubeconfig is not set, expected a kubeconfig file of the kube-apiserver to stand in front of',
    )
  }
  return {
    kubeconfig,
    proxyClientCert: readCertificateFiles(values, 'proxy-client-cert-file', 'proxy-client-key-file'),
  }
}
