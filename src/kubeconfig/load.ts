import { dirname, resolve, sep } from 'node:path'
import type { Logger } from 'pino'
import { parseCertificates } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import type { ClusterConnection, Credentials } from './connection.js'
import {
  certificateFiles,
  checkToken,
  combineCredentials,
  fixedAuthorization,
  NO_CREDENTIALS,
  tokenFile,
  type PemSource,
} from './credentials.js'
import { EXEC_API_VERSIONS, ExecPlugin, type ExecConfig } from './exec-plugin.js'
import { Fields } from './fields.js'
import { parseProxyUrl, proxyFromEnvironment } from './proxy-url.js'
import { errorMessage } from '../errors.js'
import { shownURL } from '../url-text.js'

/** The name of the cluster extension that an exec plugin is told. */
const EXEC_EXTENSION = 'client.authentication.k8s.io/exec'
const INTERACTIVE_MODES = ['Never', 'IfAvailable', 'Always']

export interface LoadOptions {
  /** The context to use instead of current-context. */
  readonly context?: string | undefined
  /** What named the file, for the message where it cannot be read. Default `--kubeconfig`. */
  readonly where?: string | undefined
  /** Takes the warnings: an expired certificate, a server that is not verified; and what an exec plugin prints. */
  readonly log: Logger
  /** HTTPS_PROXY, HTTP_PROXY and NO_PROXY for a cluster without proxy-url. Default process.env. */
  readonly env?: NodeJS.ProcessEnv | undefined
}

/**
 * Reads one kubeconfig file as client-go does (k8s.io/client-go/tools/clientcmd client_config.go ClientConfig). Inline
 * *-data wins over the file of the same name; relative paths are relative to the kubeconfig; a context without a user is
 * anonymous; and nothing that identifies us goes over plain http.
 *
 * @throws ConfigError naming the file and the field
 */
export function loadKubeconfig(file: string, options: LoadOptions): ClusterConnection {
  const { log } = options
  const config: Fields = Fields.parse(readConfigFile(file, options.where ?? '--kubeconfig'), file)
  const contextName = options.context ?? config.string('current-context')
  if (contextName === undefined) config.fail('current-context', 'is not set')
  const context =
    find(config, 'contexts', contextName, options.context === undefined ? 'current-context' : '').mapping(
      'context',
    ) ?? config.fail(`contexts[${contextName}].context`, 'is not set')
  const clusterName = context.string('cluster') ?? context.fail('cluster', 'is not set')
  const cluster: Fields | undefined = find(
    config,
    'clusters',
    clusterName,
    context.where('cluster').slice(file.length + 2),
  ).mapping('cluster')
  if (cluster === undefined) config.fail(`clusters[${clusterName}].cluster`, 'is not set')
  const userName = context.string('user')
  const user =
    userName === undefined
      ? undefined
      : find(config, 'users', userName, context.where('user').slice(file.length + 2)).mapping('user')

  const base = dirname(resolve(file))
  const connection = readCluster(cluster, base, file, options)
  if (user === undefined) return connection
  const credentials = readUser(user, cluster, connection, base, log)
  if (connection.server.protocol === 'http:' && credentials !== NO_CREDENTIALS) {
    log.warn(`${cluster.where('server')}: is not https, so the credentials of ${user.where()} are not used`)
    credentials.close()
    return connection
  }
  return { ...connection, credentials }
}

/** @param by the field that asks for the name */
function find(config: Fields, field: 'contexts' | 'clusters' | 'users', name: string, by: string): Fields {
  const found = config.list(field).find((entry) => entry.raw('name') === name)
  if (found !== undefined) return found
  const names = config.list(field).map((entry) => String(entry.raw('name')))
  const have = names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`
  return config.fail(by, `no entry of ${field} has the name ${JSON.stringify(name)}; ${have}`)
}

function readCluster(
  cluster: Fields,
  base: string,
  source: string,
  { log, env = process.env }: LoadOptions,
): ClusterConnection {
  const server = readServer(cluster)
  const servername = cluster.string('tls-server-name')
  const insecure = cluster.boolean('insecure-skip-tls-verify')
  const caFile = cluster.string('certificate-authority')
  const files = [source]
  let ca = cluster.base64('certificate-authority-data')
  if (ca !== undefined) {
    parseCertificates(ca, cluster.where('certificate-authority-data'))
  } else if (caFile !== undefined) {
    files.push(resolve(base, caFile))
    ca = readConfigFile(resolve(base, caFile), cluster.where('certificate-authority'))
    parseCertificates(ca, `${cluster.where('certificate-authority')}: ${resolve(base, caFile)}`)
  }
  if (insecure && ca !== undefined) {
    cluster.fail('insecure-skip-tls-verify', 'cannot be true together with a certificate authority')
  }
  if (insecure)
    log.warn(`${cluster.where('insecure-skip-tls-verify')}: the server's certificate is not verified`)
  const tls = { ca, servername, rejectUnauthorized: !insecure }
  return {
    server,
    tls,
    proxyUrl: readProxyUrl(cluster) ?? proxyFromEnvironment(server, env),
    credentials: NO_CREDENTIALS,
    source,
    files,
  }
}

function readServer(cluster: Fields): URL {
  const text = cluster.string('server') ?? cluster.fail('server', 'is not set, expected https://HOST:PORT')
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    return cluster.fail('server', `found ${shownURL(text)}, expected https://HOST:PORT`)
  }
  if (url.username !== '' || url.password !== '')
    cluster.fail('server', 'must not have a user name or password in it')
  url.search = ''
  url.hash = ''
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

function readProxyUrl(cluster: Fields): URL | undefined {
  const text = cluster.string('proxy-url')
  return text === undefined ? undefined : parseProxyUrl(text, cluster.where('proxy-url'))
}

/** Which wins where there are several is client-go's order (transport/round_trippers.go, transport.go TLSConfigFor). */
function readUser(
  user: Fields,
  cluster: Fields,
  connection: ClusterConnection,
  base: string,
  log: Logger,
): Credentials {
  if (user.has('auth-provider')) {
    user.fail('auth-provider', 'is not supported (Kubernetes 1.26 removed it); use an exec plugin or a token')
  }
  for (const field of ['as', 'as-uid', 'as-groups', 'as-user-extra']) {
    if (user.has(field)) user.fail(field, 'is not supported; give credentials that need no impersonation')
  }
  const exec = user.mapping('exec')
  const plugin = exec && new ExecPlugin(readExec(exec, cluster, connection, base), log)
  const certificate = readCertificate(user, base, log) ?? plugin ?? NO_CREDENTIALS
  const authorization = readAuthorization(user, base, log) ?? plugin ?? NO_CREDENTIALS
  return certificate === authorization ? certificate : combineCredentials(certificate, authorization)
}

function readCertificate(user: Fields, base: string, log: Logger): Credentials | undefined {
  const source = (name: string): PemSource | undefined => {
    const pem = user.base64(`${name}-data`)
    if (pem !== undefined) return { where: user.where(`${name}-data`), pem }
    const file = user.string(name)
    return file === undefined ? undefined : { where: user.where(name), file: resolve(base, file) }
  }
  const cert = source('client-certificate')
  const key = source('client-key')
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined) return user.fail('client-certificate', 'is not set, though client-key is')
  if (key === undefined) return user.fail('client-key', 'is not set, though client-certificate is')
  return certificateFiles(cert, key, log)
}

function readAuthorization(user: Fields, base: string, log: Logger): Credentials | undefined {
  const token = user.string('token')
  const file = user.string('tokenFile')
  const username = user.string('username')
  const password = user.string('password')
  const basic = username !== undefined || password !== undefined
  if (basic && (token !== undefined || file !== undefined)) {
    user.fail('username', 'cannot be set together with a token, only one of the two is allowed')
  }
  if (token !== undefined) {
    try {
      return fixedAuthorization(`Bearer ${checkToken(token)}`)
    } catch (err) {
      user.fail('token', errorMessage(err))
    }
  }
  if (file !== undefined) return tokenFile(resolve(base, file), user.where('tokenFile'), log)
  if (!basic) return undefined
  return fixedAuthorization(`Basic ${Buffer.from(`${username ?? ''}:${password ?? ''}`).toString('base64')}`)
}

function readExec(exec: Fields, cluster: Fields, connection: ClusterConnection, base: string): ExecConfig {
  const command = exec.string('command') ?? exec.fail('command', 'is not set')
  const version = exec.string('apiVersion')
  const apiVersion = EXEC_API_VERSIONS.find((v) => v === version)
  if (apiVersion === undefined) {
    const found = version === undefined ? 'is not set' : `found ${JSON.stringify(version)}`
    return exec.fail('apiVersion', `${found}, expected ${EXEC_API_VERSIONS.join(' or ')}`)
  }
  const mode = exec.string('interactiveMode')
  if (mode === undefined ? apiVersion.endsWith('/v1') : !INTERACTIVE_MODES.includes(mode)) {
    const found =
      mode === undefined ? `is not set, which ${apiVersion} needs` : `found ${JSON.stringify(mode)}`
    exec.fail('interactiveMode', `${found}, expected Never or IfAvailable`)
  }
  if (mode === 'Always') exec.fail('interactiveMode', 'is Always, but the proxy has no terminal to ask at')
  const env = exec.list('env').map((entry): [string, string] => {
    return [entry.string('name') ?? entry.fail('name', 'is not set'), entry.string('value') ?? '']
  })
  return {
    // As a shell finds it: a name is looked up in PATH, a path is relative to the kubeconfig.
    command: command.includes(sep) ? resolve(base, command) : command,
    args: exec.strings('args'),
    env: Object.fromEntries(env),
    apiVersion,
    installHint: exec.string('installHint'),
    cluster: exec.boolean('provideClusterInfo') ? clusterInfo(cluster, connection) : undefined,
    where: exec.where(),
  }
}

/** `spec.cluster` of an ExecCredential: k8s.io/client-go/rest/exec.go ConfigToExecCluster. */
function clusterInfo(cluster: Fields, { tls, proxyUrl }: ClusterConnection): Record<string, unknown> {
  const extension = cluster.list('extensions').find((entry) => entry.raw('name') === EXEC_EXTENSION)
  return {
    server: cluster.string('server'),
    ...(tls.servername !== undefined && { 'tls-server-name': tls.servername }),
    ...(!tls.rejectUnauthorized && { 'insecure-skip-tls-verify': true }),
    ...(tls.ca !== undefined && { 'certificate-authority-data': Buffer.from(tls.ca).toString('base64') }),
    ...(proxyUrl !== undefined && { 'proxy-url': proxyUrl.href }),
    config: extension?.raw('extension') ?? null,
  }
}
