import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import t from 'tap'
import {
  parseCommandLine,
  usageError,
  type Command,
  type CommandLineContext,
} from '../../src/cli/commands.js'
import { readAuditLogOptions } from '../../src/audit/backend/log/options.js'
import { readAuditWebhookOptions } from '../../src/audit/backend/webhook/options.js'
import { ConfigError } from '../../src/errors.js'
import { PROXY_FLAGS, readOptions, type OptionsContext } from '../../src/options.js'
import { PKI } from '../support/pki.js'

const dir = t.testdir()
const pki = new PKI(dir)
const ca = pki.ca('ca')
const serving = pki.issue(ca, { name: 'serving', cn: 'localhost', usage: 'server' })
const front = pki.issue(ca, { name: 'front', cn: 'front-proxy', usage: 'client' })

const demo: Command = { name: 'demo', summary: 'Show it.', run: () => Promise.resolve(0) }
const policy: Command = { name: 'policy', summary: 'Explain a policy.', run: () => Promise.resolve(0) }
const context: CommandLineContext = {
  commands: [demo, policy],
  version: '1.2.3',
  columns: 0,
  flags: PROXY_FLAGS,
}
const atNoTerminal: OptionsContext = { env: {}, stderrIsTerminal: false }

const needed = [
  `--tls-cert-file=${serving.certFile}`,
  `--tls-private-key-file=${serving.keyFile}`,
  '--kubeconfig=k',
]

/** The options of these flags; those of the log and the webhook as their own rooms read them. */
function options(flags: string[], over: Partial<OptionsContext> = {}, base = needed) {
  const line = parseCommandLine([...base, ...flags], context)
  if (line.kind !== 'run') throw new Error(`found ${line.kind}`)
  const { backends, ...others } = readOptions(line.settings, { ...atNoTerminal, ...over })
  return {
    ...others,
    backends: backends.map(({ name }) => name),
    auditLog: readAuditLogOptions(line.settings),
    auditWebhook: readAuditWebhookOptions(line.settings),
  }
}

function problem(run: () => unknown): string {
  try {
    run()
  } catch (err) {
    if (err instanceof ConfigError) return err.message
    throw err
  }
  return 'nothing was thrown'
}

void t.test('without flags that are not needed: kube-apiserver’s defaults', (t) => {
  t.same(options([]), {
    serving: {
      certFile: serving.certFile,
      keyFile: serving.keyFile,
      sniCertKeys: [],
      bindAddress: '0.0.0.0',
      port: 6443,
      minVersion: 'TLSv1.2',
      ciphers: undefined,
      http2: { maxStreams: 0, goawayChance: 0 },
      permitPortSharing: false,
      requestTimeout: 60_000,
    },
    upstream: { kubeconfig: 'k', proxyClientCert: undefined },
    authentication: {
      clientCAFile: undefined,
      anonymousAuth: undefined,
      clientCACRLFiles: [],
      clientCertificateCredentialID: true,
      requestHeader: {
        clientCAFile: undefined,
        allowedNames: [],
        headers: {
          username: ['x-remote-user'],
          uid: ['x-remote-uid'],
          group: ['x-remote-group'],
          extraPrefix: ['x-remote-extra-'],
        },
      },
      bootstrapTokens: false,
      tokenAuthFile: undefined,
      serviceAccounts: { keyFiles: [], issuers: [], audiences: [], lookup: true },
      oidc: undefined,
      configFile: undefined,
      kubeconfig: undefined,
      tokenWebhookCacheTTL: 10_000,
    },
    policyFile: undefined,
    capture: { redact: true, refusedBodies: false, maxBodySize: 3145728, maxCaptureMemory: 268435456 },
    sessions: undefined,
    backends: [],
    auditLog: undefined,
    auditWebhook: undefined,
    sinks: undefined,
    shutdown: {
      delayDuration: 0,
      timeout: 60_000,
      sendRetryAfter: false,
      watchTerminationGracePeriod: 0,
    },
    workers: 1,
    status: { healthz: undefined, metrics: undefined, readyAuditGracePeriod: 300_000 },
    log: { level: 'info', format: 'json' },
  })
  t.end()
})

void t.test('backends that are turned on have kube-apiserver’s defaults', (t) => {
  const truncate = { enabled: false, maxBatchSize: 10485760, maxEventSize: 102400 }
  const buffer = { bufferSize: 10000, bufferBytes: 268435456 }
  const backends = ['--audit-log-path=l', '--audit-webhook-config-file=w']
  const { auditLog, auditWebhook } = options(['--audit-policy-file=p', ...backends])
  t.same(auditLog, {
    where: '--audit-log-path',
    path: 'l',
    maxage: 366,
    maxbackup: 100,
    maxsize: 100,
    compress: false,
    format: 'json',
    delivery: {
      version: 'audit.k8s.io/v1',
      mode: 'blocking',
      batch: {
        ...buffer,
        maxSize: 1,
        maxWait: 0,
        throttleEnable: false,
        throttleQPS: 0,
        throttleBurst: 0,
      },
      truncate,
    },
  })
  t.same(auditWebhook, {
    where: '--audit-webhook-config-file',
    configFile: 'w',
    initialBackoff: 10_000,
    spool: undefined,
    delivery: {
      version: 'audit.k8s.io/v1',
      mode: 'batch',
      batch: {
        ...buffer,
        maxSize: 400,
        maxWait: 30_000,
        throttleEnable: true,
        throttleQPS: 10,
        throttleBurst: 15,
      },
      truncate,
    },
  })
  t.end()
})

void t.test('every flag arrives where it belongs', (t) => {
  const given = options([
    ...['--bind-address=127.0.0.1', '--secure-port=0', '--tls-min-version=VersionTLS13'],
    ...[`--proxy-client-cert-file=${front.certFile}`, `--proxy-client-key-file=${front.keyFile}`],
    ...[`--client-ca-file=${ca.certFile}`, '--anonymous-auth=false', '--authentication-kubeconfig=a'],
    ...['--authentication-token-webhook-cache-ttl=1m', '--audit-policy-file=p', '--audit-log-path=-'],
    ...['--audit-log-maxage=1', '--audit-log-maxbackup=2', '--audit-log-maxsize=3', '--audit-log-compress'],
    ...['--audit-log-format=legacy', '--audit-log-version=audit.k8s.io/v1beta1', '--audit-log-mode=batch'],
    ...[
      '--audit-log-batch-buffer-size=4',
      '--audit-log-batch-buffer-bytes=5',
      '--audit-log-batch-max-size=6',
    ],
    ...[
      '--audit-log-batch-max-wait=7ms',
      '--audit-log-batch-throttle-enable',
      '--audit-log-batch-throttle-qps=8.5',
    ],
    ...['--audit-log-batch-throttle-burst=9', '--audit-log-truncate-enabled'],
    ...['--audit-log-truncate-max-batch-size=11', '--audit-log-truncate-max-event-size=10'],
    ...[
      '--audit-webhook-config-file=w',
      '--audit-webhook-initial-backoff=12ms',
      '--audit-webhook-mode=batch',
    ],
    ...['--audit-webhook-version=audit.k8s.io/v1alpha1', '--audit-webhook-batch-throttle-enable=false'],
    ...['--audit-webhook-spool-directory=s', '--audit-webhook-spool-max-size=13', '--audit-redact=false'],
    ...['--audit-sink-directory=d', '--audit-dynamic-configuration'],
    ...['--audit-max-body-size=14', '--audit-max-capture-memory=15', '--shutdown-delay-duration=16ms'],
    ...[
      '--shutdown-timeout=17ms',
      '--healthz-bind-address=[::1]:18',
      '--metrics-bind-address=:19',
      '--readyz-audit-grace-period=20ms',
    ],
    ...['--log-level=debug', '--log-format=text'],
    ...[`--tls-sni-cert-key=${front.certFile},${front.keyFile}:a,b`, '--goaway-chance=0.01'],
    ...['--shutdown-send-retry-after', '--shutdown-watch-termination-grace-period=12ms'],
    ...[`--tls-sni-cert-key=${ca.certFile},${ca.keyFile}`, '--http2-max-streams-per-connection=21'],
  ])
  t.match(given, {
    serving: {
      bindAddress: '127.0.0.1',
      port: 0,
      minVersion: 'TLSv1.3',
      sniCertKeys: [
        { certFile: front.certFile, keyFile: front.keyFile, names: ['a', 'b'] },
        { certFile: ca.certFile, keyFile: ca.keyFile, names: [] },
      ],
      http2: { maxStreams: 21, goawayChance: 0.01 },
    },
    upstream: { proxyClientCert: { certFile: front.certFile, keyFile: front.keyFile } },
    authentication: {
      clientCAFile: ca.certFile,
      anonymousAuth: false,
      kubeconfig: 'a',
      tokenWebhookCacheTTL: 60_000,
    },
    policyFile: 'p',
    backends: ['log', 'webhook'],
    auditLog: {
      path: '-',
      maxage: 1,
      maxbackup: 2,
      maxsize: 3,
      compress: true,
      format: 'legacy',
      delivery: {
        version: 'audit.k8s.io/v1beta1',
        mode: 'batch',
        batch: {
          bufferSize: 4,
          bufferBytes: 5,
          maxSize: 6,
          maxWait: 7,
          throttleEnable: true,
          throttleQPS: 8.5,
          throttleBurst: 9,
        },
        truncate: { enabled: true, maxBatchSize: 11, maxEventSize: 10 },
      },
    },
    auditWebhook: {
      configFile: 'w',
      initialBackoff: 12,
      delivery: { mode: 'batch', version: 'audit.k8s.io/v1alpha1', batch: { throttleEnable: false } },
      spool: { directory: 's', maxBytes: 13 },
    },
    sinks: { directory: 'd', fromCluster: true, webhook: { version: 'audit.k8s.io/v1alpha1' } },
    capture: { redact: false, maxBodySize: 14, maxCaptureMemory: 15 },
    shutdown: { delayDuration: 16, timeout: 17, sendRetryAfter: true, watchTerminationGracePeriod: 12 },
    status: {
      healthz: { host: '::1', port: 18 },
      readyAuditGracePeriod: 20,
      metrics: { host: '', port: 19 },
    },
    log: { level: 'debug', format: 'text' },
  })
  const strict = [
    '--audit-policy-file=p',
    '--audit-webhook-config-file=w',
    '--audit-webhook-mode=blocking-strict',
  ]
  t.equal(options(strict).auditWebhook?.delivery.mode, 'blocking-strict')
  t.end()
})

void t.test('flags that contradict each other or their files', (t) => {
  const log = ['--audit-policy-file=p', '--audit-log-path=-']
  const hook = ['--audit-policy-file=p', '--audit-webhook-config-file=w']
  const cases: [string[], string][] = [
    [['--tls-private-key-file='], '--tls-cert-file is set, expected --tls-private-key-file as well'],
    [['--tls-cert-file=/none'], '--tls-cert-file: /none: no such file'],
    [
      [`--tls-private-key-file=${front.keyFile}`],
      `--tls-private-key-file: ${front.keyFile}: the private key does not match the certificate of --tls-cert-file: ${serving.certFile}`,
    ],
    [
      [`--tls-cert-file=${serving.keyFile}`],
      `--tls-cert-file: ${serving.keyFile}: no certificate found, expected PEM (-----BEGIN CERTIFICATE-----)`,
    ],
    [
      ['--proxy-client-key-file=x'],
      '--proxy-client-key-file is set, expected --proxy-client-cert-file as well',
    ],
    [
      ['--audit-webhook-spool-directory=s'],
      '--audit-webhook-spool-directory is set, expected --audit-webhook-config-file as well',
    ],
    [
      [...hook, '--audit-webhook-spool-max-size=5'],
      '--audit-webhook-spool-max-size is set, expected --audit-webhook-spool-directory as well',
    ],
    [['--client-ca-file=/none'], '--client-ca-file: /none: no such file'],
    [
      [`--client-ca-file=${serving.keyFile}`],
      `--client-ca-file: ${serving.keyFile}: no certificate found, expected PEM (-----BEGIN CERTIFICATE-----)`,
    ],
    [
      ['--bind-address=localhost'],
      'invalid argument "localhost" for "--bind-address" flag: expected an IP address',
    ],
    [['--secure-port=65536'], '--secure-port: found 65536, expected a port from 0 to 65535'],
    [
      ['--tls-min-version=VersionTLS10'],
      '--tls-min-version: found "VersionTLS10", expected one of VersionTLS12, VersionTLS13',
    ],
    [['--shutdown-timeout=-1s'], '--shutdown-timeout: found -1s, expected a duration of 0 or more'],
    [
      ['--kubeconfig='],
      '--kubeconfig is not set, expected a kubeconfig file of the kube-apiserver to stand in front of',
    ],
    [
      ['--audit-log-path=-'],
      '--audit-log-path is set, expected --audit-policy-file as well: nothing is recorded without it',
    ],
    [
      [...log, '--audit-log-mode=async'],
      '--audit-log-mode: found "async", expected one of batch, blocking, blocking-strict',
    ],
    [
      [...hook, '--audit-webhook-batch-max-size=0'],
      '--audit-webhook-batch-max-size: found 0, expected a whole number of at least 1',
    ],
    [
      ['--healthz-bind-address=8080'],
      '--healthz-bind-address: found "8080", expected HOST:PORT, :PORT, or 0 for off',
    ],
    [
      ['--metrics-bind-address=::1:1'],
      '--metrics-bind-address: found "::1:1", expected HOST:PORT, :PORT, or 0 for off',
    ],
    [['--log-level=2'], '--log-level: found "2", expected one of trace, debug, info, warn, error, fatal'],
    [['demo'], 'unexpected argument "demo"; a command comes before any flag'],
    [['--anonymous-auth', 'false'], 'unexpected argument "false"; a flag that is true or false takes =false'],
  ]
  for (const [flags, message] of cases)
    t.equal(
      problem(() => options(flags)),
      message,
      flags.join(' '),
    )
  t.match(
    problem(() => options(['--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA'])),
    /^--tls-cipher-suites: found \["TLS_RSA_WITH_RC4_128_SHA"\], expected only some of TLS_AES_128_GCM_SHA256, /,
  )
  t.match(
    problem(() => options([], {}, ['--kubeconfig=k'])),
    /^--tls-cert-file and --tls-private-key-file are not set/,
  )
  t.end()
})

void t.test('cipher suites have Go’s names, and those of TLS 1.3 stay on', (t) => {
  const { ciphers, minVersion } = options([
    '--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    '--tls-cipher-suites=TLS_AES_256_GCM_SHA384',
  ]).serving
  t.equal(
    ciphers,
    'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305',
  )
  t.doesNotThrow(() => createSecureContext({ ciphers, minVersion }))
  t.end()
})

void t.test('where the environment matters', (t) => {
  const noKubeconfig = needed.slice(0, 2)
  const pod = { env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } }
  t.equal(options([], pod, noKubeconfig).upstream.kubeconfig, undefined)
  t.equal(options([], { stderrIsTerminal: true }).log.format, 'text')
  t.equal(options(['--log-format=json'], { stderrIsTerminal: true }).log.format, 'json')
  t.same(options(['--healthz-bind-address=0']).status.healthz, undefined)
  t.end()
})

void t.test('--config: a flag wins over the file', (t) => {
  const file = join(dir, 'config.yaml')
  writeFileSync(file, 'secure-port: 1000\nlog-level: warn\ntls-cipher-suites: [TLS_AES_128_GCM_SHA256]\n')
  const given = options([`--config=${file}`, '--secure-port=2000', '--tls-cipher-suites='])
  t.equal(given.serving.port, 2000)
  t.equal(given.serving.ciphers, undefined)
  t.equal(given.log.level, 'warn')
  writeFileSync(file, '\nclient-ca-file: /none\n')
  t.equal(
    problem(() => options([`--config=${file}`])),
    `${file}: line 2: client-ca-file: /none: no such file`,
  )
  t.end()
})

void t.test('commands', (t) => {
  t.same(parseCommandLine(['demo', '--any', 'thing', '-h'], context), {
    kind: 'command',
    command: demo,
    args: ['--any', 'thing', '-h'],
  })
  t.equal(
    problem(() => parseCommandLine(['polciy'], context)),
    'unknown command "polciy"; did you mean policy?',
  )
  t.equal(
    problem(() => parseCommandLine(['serve', 'x'], context)),
    'unknown command "serve"',
  )
  t.equal(usageError(new ConfigError('unknown flag: --x')), 'kube-audit-proxy: error: unknown flag: --x\n')
  t.same(parseCommandLine(['--version'], context), { kind: 'print', text: 'kube-audit-proxy 1.2.3\n' })
  t.end()
})

void t.test('a deprecated flag of kube-apiserver', (t) => {
  const line = parseCommandLine([...needed, '--audit-webhook-batch-initial-backoff=3s'], context)
  t.match(line, {
    kind: 'run',
    warnings: [
      'Flag --audit-webhook-batch-initial-backoff has been deprecated, use --audit-webhook-initial-backoff instead',
    ],
  })
  t.end()
})
