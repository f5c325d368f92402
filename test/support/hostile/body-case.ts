import { seen, type Fate, type HostileCase, type Ingredients } from './case.js'

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
export const SECRETS = '/api/v1/namespaces/default/secrets'
/** Objects of these names are there before the cases are. */
export const EXISTING = 'existing'

/** What no audit log of the proxy may have, nor its own log, whatever it is hidden in. */
export const SECRET = 'correct-horse-battery'
export const SECRET_BASE64 = Buffer.from(SECRET).toString('base64')
export const SECRET_TEXTS: readonly string[] = [SECRET, SECRET_BASE64]

/** A request with a body, by alice, who may write what she sends. Nothing of it is stored. */
export interface Sent {
  /** Default POST. */
  readonly method?: string
  /** Default the ConfigMaps of a namespace. */
  readonly path?: string
  readonly query?: string
  /** Content-Type; null sends none. Default JSON. */
  readonly type?: string | null
  readonly encoding?: string
  readonly accept?: string
  readonly body?: string | Buffer
  readonly unread?: boolean
  /** Further lines of header. */
  readonly lines?: readonly string[]
}

export type BodyRow = readonly [name: string, sent: Sent, ...fates: (Fate | ((mode: string) => Fate))[]]

export function bodyCase([name, sent, ...fates]: BodyRow): HostileCase {
  const {
    method = 'POST',
    path = CONFIG_MAPS,
    query = '',
    type = 'application/json',
    encoding,
    accept,
  } = sent
  const body = latin1(sent.body)
  const lines = [
    ...(type === null || body === undefined ? [] : [`Content-Type: ${type}`]),
    ...(encoding === undefined ? [] : [`Content-Encoding: ${encoding}`]),
    ...(accept === undefined ? [] : [`Accept: ${accept}`]),
    ...(body === undefined ? [] : [`Content-Length: ${body.length}`]),
    ...(sent.lines ?? []),
  ]
  // Before, kube-apiserver lost the event of a patch that is not JSON.
  const since = method === 'PATCH' && !isJSON(body) ? { since: '1.37' } : {}
  const bytes = ({ id }: Ingredients): string =>
    [
      `${method} ${path}?dryRun=All&case=${id}${query} HTTP/1.1`,
      'Host: kubernetes',
      `Audit-ID: ${id}`,
      'Connection: close',
      ...lines,
      '',
      body ?? '',
    ].join('\r\n')
  return {
    name,
    bytes,
    fates:
      fates.length === 0
        ? [seen('alice')]
        : (mode) => fates.map((fate) => (typeof fate === 'function' ? fate(mode) : fate)),
    ...(body === undefined ? {} : { body }),
    ...since,
    ...(sent.unread === undefined ? {} : { unread: sent.unread }),
  }
}

function latin1(body: string | Buffer | undefined): string | undefined {
  return body === undefined ? undefined : Buffer.from(body as string).toString('latin1')
}

function isJSON(text = ''): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
