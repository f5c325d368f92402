import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { createSecureContext, type SecureVersion } from 'node:tls'
import {
  LOG_FORMATS as AUDIT_LOG_FORMATS,
  MODES,
  validateAuditBackendOptions,
  type AuditBackendOptions,
} from '../audit/backend/options.js'
import { EVENT_VERSIONS } from '../audit/encode.js'
import { ConfigError, errorMessage } from '../errors.js'
import { parseKeyPair } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import { authenticationOptions, type AuthenticationOptions } from '../authentication/options.js'
import type { Settings } from './flag.js'
import { Values, type TextFlag } from './flag-values.js'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from './flags.js'
import { opensslCiphers, TLS_VERSIONS } from '../server/tls-options.js'

export interface Address {
  /** Empty: all interfaces. */
  readonly host: string
  /** 0: a free one. */
  readonly port: number
}

/** The files of a certificate and its key. They fitted together when they were looked at. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** Everything that the flags say, checked. Durations are milliseconds, sizes bytes. */
export interface Options {
  readonly serving: CertificateFiles & {
    readonly bindAddress: string
    /** 0: a free one. */
    readonly port: number
    readonly minVersion: SecureVersion
    /** OpenSSL's list; undefined: Node.js's. */
    readonly ciphers: string | undefined
  }
  readonly upstream: {
    /** undefined: the cluster that the proxy is a pod of. */
    readonly kubeconfig: string | undefined
    readonly proxyClientCert: CertificateFiles | undefined
  }
  readonly authentication: AuthenticationOptions
  readonly audit: AuditBackendOptions & {
    readonly policyFile: string | undefined
    readonly sinks: { readonly directory: string; readonly fromCluster: boolean }
    readonly redact: boolean
    readonly maxBodySize: number
    readonly maxCaptureMemory: number
  }
  readonly shutdown: { readonly delayDuration: number; readonly timeout: number }
  /** How many processes serve requests; with 1 there is no other process. */
  readonly workers: number
  readonly healthz: Address | undefined
  /** For how long an audit backend may fail and the proxy still be ready. */
  readonly readyAuditGracePeriod: number
  readonly metrics: Address | undefined
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
}

export interface OptionsContext {
  readonly env: NodeJS.ProcessEnv
  /** Whether standard error is one, where --log-format is not given. */
  readonly stderrIsTerminal: boolean
}

/**
 * The options that the settings and the defaults of the others make, checked against each other and against the files
 * that they name: certificates and keys are read, kubeconfigs and the policy are not.
 *
 * @throws ConfigError
 */
export function newOptions(settings: Settings, context: OptionsContext): Options {
  const values = new Values(settings)
  const kubeconfig = values.text('kubeconfig')
  if (kubeconfig === undefined && !context.env.KUBERNETES_SERVICE_HOST) {
    throw new ConfigError(
      '--kubeconfig is not set, expected a kubeconfig file of the kube-apiserver to stand in front of',
    )
  }
  const options: Options = {
    serving: servingOptions(values),
    upstream: {
      kubeconfig,
      proxyClientCert: certificateFiles(values, 'proxy-client-cert-file', 'proxy-client-key-file'),
    },
    authentication: authenticationOptions(values),
    audit: auditOptions(values),
    shutdown: {
      delayDuration: values.get('shutdown-delay-duration'),
      timeout: values.get('shutdown-timeout'),
    },
    workers: workers(values),
    healthz: address(values, 'healthz-bind-address'),
    readyAuditGracePeriod: values.get('readyz-audit-grace-period'),
    metrics: address(values, 'metrics-bind-address'),
    log: {
      level: values.choice('log-level', LOG_LEVELS),
      format:
        values.text('log-format') === undefined
          ? context.stderrIsTerminal
            ? 'text'
            : 'json'
          : values.choice('log-format', LOG_FORMATS),
    },
  }
  return options
}

function servingOptions(values: Values): Options['serving'] {
  const files = certificateFiles(values, 'tls-cert-file', 'tls-private-key-file')
  if (files === undefined) {
    throw new ConfigError(
      '--tls-cert-file and --tls-private-key-file are not set, expected a serving certificate',
    )
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
  const bindAddress = values.get('bind-address')
  return { ...files, bindAddress, port: values.get('secure-port'), minVersion, ciphers }
}

function certificateFiles(values: Values, cert: TextFlag, key: TextFlag): CertificateFiles | undefined {
  const certFile = values.text(cert)
  const keyFile = values.text(key)
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile === undefined) throw new ConfigError(`${values.where(key)} is set, expected --${cert} as well`)
  if (keyFile === undefined) throw new ConfigError(`${values.where(cert)} is set, expected --${key} as well`)
  parseKeyPair(
    readConfigFile(certFile, values.where(cert)),
    readConfigFile(keyFile, values.where(key)),
    `${values.where(cert)}: ${certFile}`,
    `${values.where(key)}: ${keyFile}`,
  )
  return { certFile, keyFile }
}

function auditOptions(values: Values): Options['audit'] {
  const policyFile = values.text('audit-policy-file')
  for (const name of ['audit-log-path', 'audit-webhook-config-file'] as const) {
    if (policyFile === undefined && values.text(name) !== undefined) {
      throw new ConfigError(
        `${values.where(name)} is set, expected --audit-policy-file as well: nothing is recorded without it`,
      )
    }
  }
  for (const [name, other] of [
    ['audit-webhook-spool-directory', 'audit-webhook-config-file'],
    ['audit-webhook-spool-max-size', 'audit-webhook-spool-directory'],
  ] as const) {
    if (values.isSet(name) && values.get(name) !== '' && values.get(other) === '') {
      throw new ConfigError(`${values.where(name)} is set, expected --${other} as well`)
    }
  }
  const audit: Options['audit'] = {
    policyFile,
    log: {
      path: values.get('audit-log-path'),
      maxage: values.get('audit-log-maxage'),
      maxbackup: values.get('audit-log-maxbackup'),
      maxsize: values.get('audit-log-maxsize'),
      compress: values.get('audit-log-compress'),
      format: values.choice('audit-log-format', AUDIT_LOG_FORMATS),
      ...delivery(values, 'log'),
    },
    webhook: {
      configFile: values.get('audit-webhook-config-file'),
      initialBackoff: values.get('audit-webhook-initial-backoff'),
      ...delivery(values, 'webhook'),
      spool: {
        directory: values.get('audit-webhook-spool-directory'),
        maxBytes: values.get('audit-webhook-spool-max-size'),
      },
    },
    sinks: {
      directory: values.get('audit-sink-directory'),
      fromCluster: values.get('audit-dynamic-configuration'),
    },
    redact: values.get('audit-redact'),
    maxBodySize: values.get('audit-max-body-size'),
    maxCaptureMemory: values.get('audit-max-capture-memory'),
  }
  validateAuditBackendOptions(audit)
  return audit
}

function delivery(values: Values, plugin: 'log' | 'webhook') {
  return {
    version: values.choice(`audit-${plugin}-version`, EVENT_VERSIONS),
    mode: values.choice(`audit-${plugin}-mode`, MODES),
    batch: {
      bufferSize: values.get(`audit-${plugin}-batch-buffer-size`),
      bufferBytes: values.get(`audit-${plugin}-batch-buffer-bytes`),
      maxSize: values.get(`audit-${plugin}-batch-max-size`),
      maxWait: values.get(`audit-${plugin}-batch-max-wait`),
      throttleEnable: values.get(`audit-${plugin}-batch-throttle-enable`),
      throttleQPS: values.get(`audit-${plugin}-batch-throttle-qps`),
      throttleBurst: values.get(`audit-${plugin}-batch-throttle-burst`),
    },
    truncate: {
      enabled: values.get(`audit-${plugin}-truncate-enabled`),
      maxBatchSize: values.get(`audit-${plugin}-truncate-max-batch-size`),
      maxEventSize: values.get(`audit-${plugin}-truncate-max-event-size`),
    },
  }
}

function workers(values: Values): number {
  const count = values.get('workers')
  return count === 'auto' ? availableParallelism() : count
}

/** HOST:PORT, [IPv6]:PORT or :PORT as Go's net.Listen takes it; empty and 0 are off. */
function address(values: Values, name: TextFlag): Address | undefined {
  const text = values.get(name)
  if (text === '' || text === '0') return undefined
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const wrong =
    port === undefined || Number(port) > 65535 || (bracketed !== undefined && isIP(bracketed) !== 6)
  if (wrong) {
    throw new ConfigError(
      `${values.where(name)}: found ${JSON.stringify(text)}, expected HOST:PORT, :PORT, or 0 for off`,
    )
  }
  return { host: bracketed ?? plain ?? '', port: Number(port) }
}
