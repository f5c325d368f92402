import { createSecureContext, type SecureVersion } from 'node:tls'
import { readCertificateFiles } from '../certificate-files.js'
import { notNegative, unsetOrOneOf } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'
import { ConfigError, errorMessage } from '../errors.js'
import type { Http2Options } from './http2-session.js'
import type { ServingFiles } from './serving-tls.js'
import { ServingCertificate } from './serving-certificate.js'
import { CIPHER_SUITES, opensslCiphers, TLS_VERSIONS } from './tls-options.js'

/** The secure port. */
export interface ServingOptions extends ServingFiles {
  readonly bindAddress: string
  /** 0: a free one. */
  readonly port: number
  readonly minVersion: SecureVersion
  /** OpenSSL's list; undefined: Node.js's. */
  readonly ciphers: string | undefined
  readonly http2: Http2Options
  /** Milliseconds within which the apiserver answers what is not long-running. */
  readonly requestTimeout: number
  /** Whether other processes may listen on the same address and port. */
  readonly permitPortSharing: boolean
}

const GROUP = 'Secure serving'
/** HTTP/2 has 31 bits for the numbers of streams. */
const MAX_STREAMS = 2 ** 31 - 1

/** k8s.io/apiserver/pkg/server/options/serving.go SecureServingOptions, and of ServerRunOptions what is about connections. */
export const SERVING_FLAGS = [
  {
    name: 'bind-address',
    type: 'ip',
    default: '0.0.0.0',
    group: GROUP,
    help: 'IP address to listen on for --secure-port. 0.0.0.0 or :: means all interfaces.',
  },
  {
    name: 'secure-port',
    type: 'int',
    default: 6443,
    group: GROUP,
    validate: (value: number) => (value >= 0 && value <= 65535 ? undefined : 'a port from 0 to 65535'),
    help: 'Port to serve HTTPS on. 0 takes a free one.',
  },
  {
    name: 'tls-cert-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the serving certificate, followed by its intermediate certificates.',
  },
  {
    name: 'tls-private-key-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the private key of --tls-cert-file.',
  },
  {
    name: 'tls-min-version',
    type: 'string',
    default: '',
    group: GROUP,
    validate: unsetOrOneOf(Object.keys(TLS_VERSIONS)),
    help: `Lowest TLS version to accept; VersionTLS12 where it is not set. Possible values: ${Object.keys(TLS_VERSIONS).join(', ')}`,
  },
  {
    name: 'tls-cipher-suites',
    type: 'strings',
    default: [],
    group: GROUP,
    validate(value: readonly string[]) {
      const unknown = value.filter((suite) => !CIPHER_SUITES.includes(suite))
      return unknown.length === 0 ? undefined : `only some of ${CIPHER_SUITES.join(', ')}`
    },
    help: `Cipher suites to accept, separated by commas; those of Node.js where it is not set. Those of TLS 1.3 are always accepted. Possible values: ${CIPHER_SUITES.join(', ')}`,
  },
  {
    name: 'tls-sni-cert-key',
    type: 'namedCertKey',
    default: [],
    group: GROUP,
    help: 'PEM files with another serving certificate and its key, and after a colon the names that it is for, which may have * as their first label; IP addresses are for clients that come to them and name no server. Without names, it is for those of the certificate. Names that are given go before those of certificates, names without * before others. May be given several times. Examples: example.crt,example.key or foo.crt,foo.key:*.foo.com,foo.com',
  },
  {
    name: 'http2-max-streams-per-connection',
    type: 'int',
    default: 0,
    group: GROUP,
    validate: (value: number) =>
      value >= 0 && value <= MAX_STREAMS ? undefined : `a number from 0 to ${MAX_STREAMS}`,
    help: 'How many streams a client may have at once over one connection of HTTP/2. 0 means 100, as for kube-apiserver.',
  },
  {
    name: 'permit-port-sharing',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Let other processes listen on the same address and port (SO_REUSEPORT): the kernel spreads connections over them. Each of --workers then takes its own from the kernel. Needs Node.js 22.12 or later. A socket of systemd has ReusePort= instead.',
  },
  {
    name: 'request-timeout',
    type: 'duration',
    default: 60_000,
    group: 'Generic',
    validate: notNegative,
    help: 'How long the apiserver takes at the most to answer what is not long-running: its own --request-timeout. A request that it has not answered 5 seconds after that, or after the timeout that the request itself names, is answered with status 504, and may have been carried out all the same. Watches, logs, exec and the like may take as long as they want.',
  },
  {
    name: 'goaway-chance',
    type: 'float64',
    default: 0,
    group: 'Generic',
    validate: (value: number) => (value >= 0 && value <= 0.02 ? undefined : 'a fraction from 0 to 0.02'),
    help: 'The fraction of requests over HTTP/2 with whose response the connection ends (GOAWAY), so that clients do not stay with one of several proxies behind a load balancer. What else is under way on the connection goes on. 0 is none, 0.02 the most; 0.001 is a good start.',
  },
] as const satisfies readonly Flag[]

/** @throws ConfigError */
export function readServingOptions(settings: Settings): ServingOptions {
  const values = new FlagValues(SERVING_FLAGS, settings)
  const files = readCertificateFiles(values, 'tls-cert-file', 'tls-private-key-file')
  if (files === undefined) {
    throw new ConfigError(
      '--tls-cert-file and --tls-private-key-file are not set, expected a serving certificate',
    )
  }
  const sniCertKeys = values.get('tls-sni-cert-key')
  const sniWhere = values.where('tls-sni-cert-key')
  for (const one of sniCertKeys) new ServingCertificate(one, sniWhere, sniWhere)
  const permitPortSharing = values.get('permit-port-sharing')
  if (permitPortSharing) {
    if (!canSharePorts(process.versions.node))
      throw new ConfigError(
        `${values.where('permit-port-sharing')} is set, expected Node.js 22.12 or later: this is ${process.versions.node}`,
      )
    if (values.get('secure-port') === 0)
      values.fail('secure-port', 0, 'the number of the port that --permit-port-sharing shares')
  }
  const minVersion = TLS_VERSIONS[values.get('tls-min-version')] ?? 'TLSv1.2'
  const ciphers = opensslCiphers(values.get('tls-cipher-suites'))
  if (ciphers !== undefined) {
    try {
      createSecureContext({ ciphers, minVersion })
    } catch (err) {
      throw new ConfigError(
        `${values.where('tls-cipher-suites')}: OpenSSL does not take them: ${errorMessage(err)}`,
      )
    }
  }
  return {
    ...files,
    sniCertKeys,
    bindAddress: values.get('bind-address'),
    port: values.get('secure-port'),
    minVersion,
    ciphers,
    http2: {
      maxStreams: values.get('http2-max-streams-per-connection'),
      goawayChance: values.get('goaway-chance'),
    },
    requestTimeout: values.get('request-timeout'),
    permitPortSharing,
  }
}

/** Whether node:net of that version knows `reusePort`: 22.12 and later, 23.1 and later. */
function canSharePorts(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
}
