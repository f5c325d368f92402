import { dirname, isAbsolute, resolve, sep } from 'node:path'
import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml'
import { ConfigError } from '../errors.js'

export interface PointAtOptions {
  /** Where the text is from: for messages, and what relative paths in it are relative to. */
  readonly file: string
  /** The URL that the cluster is to have. */
  readonly server: string
  /** PEM */
  readonly ca: string
  /** Whose cluster; undefined: the current-context's. */
  readonly context: string | undefined
}

/**
 * A kubeconfig with the server and the certificate authority of one cluster replaced. All else stays, comments too;
 * but relative paths become absolute, for who knows where the text will be written.
 *
 * @throws ConfigError that names the file and the field
 */
export function pointKubeconfigAt(text: string, { file, server, ca, context }: PointAtOptions): string {
  const fail = (problem: string): never => {
    throw new ConfigError(`${file}: ${problem}`)
  }
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent' })
  const [error] = document.errors
  if (error !== undefined) {
    // The parser's first line says what; the rest would quote the file, which has secrets.
    fail(`line ${text.slice(0, error.pos[0]).split('\n').length}: ${error.message.split('\n')[0]}`)
  }
  const root = document.contents
  if (!isMap(root)) return fail('expected a kubeconfig with contexts and clusters')

  const contextName = context ?? stringIn(root, 'current-context')
  if (contextName === undefined) return fail('current-context is not set, expected --context NAME')
  const found = entry(root, 'contexts', contextName, 'context')
  if (found === undefined) return fail(`contexts: none has the name ${JSON.stringify(contextName)}`)
  const clusterName = stringIn(found, 'cluster')
  if (clusterName === undefined) return fail(`contexts[${contextName}].context.cluster: is not set`)
  const cluster = entry(root, 'clusters', clusterName, 'cluster')
  if (cluster === undefined) return fail(`clusters: none has the name ${JSON.stringify(clusterName)}`)

  cluster.set('server', server)
  // Whatever says how to trust the apiserver says nothing of the proxy.
  for (const field of ['certificate-authority', 'insecure-skip-tls-verify', 'tls-server-name'])
    cluster.delete(field)
  cluster.set('certificate-authority-data', Buffer.from(ca).toString('base64'))
  makeAbsolute(root, dirname(resolve(file)))
  return document.toString({ lineWidth: 0 })
}

/** The fields that client-go resolves (k8s.io/client-go/tools/clientcmd/loader.go ResolvePaths), and exec's command. */
function makeAbsolute(root: YAMLMap, base: string): void {
  const absolute = (map: YAMLMap, field: string, isPath: (value: string) => boolean): void => {
    const value = stringIn(map, field)
    if (value !== undefined && isPath(value) && !isAbsolute(value)) map.set(field, resolve(base, value))
  }
  for (const cluster of entries(root, 'clusters', 'cluster'))
    absolute(cluster, 'certificate-authority', () => true)
  for (const user of entries(root, 'users', 'user')) {
    for (const field of ['client-certificate', 'client-key', 'tokenFile']) absolute(user, field, () => true)
    const exec = user.get('exec')
    if (isMap(exec)) absolute(exec, 'command', (command) => command.includes(sep))
  }
}

function* entries(root: YAMLMap, list: string, field: string): Generator<YAMLMap> {
  const items = root.get(list)
  if (!isSeq(items)) return
  for (const item of items.items) {
    const value = isMap(item) ? item.get(field) : undefined
    if (isMap(value)) yield value
  }
}

function entry(root: YAMLMap, list: string, name: string, field: string): YAMLMap | undefined {
  const items = root.get(list)
  if (!isSeq(items)) return undefined
  const item = items.items.find((item) => isMap(item) && stringIn(item, 'name') === name)
  const value = isMap(item) ? item.get(field) : undefined
  return isMap(value) ? value : undefined
}

function stringIn(map: YAMLMap, field: string): string | undefined {
  const node: unknown = map.get(field, true)
  return isScalar(node) && typeof node.value === 'string' && node.value !== '' ? node.value : undefined
}
