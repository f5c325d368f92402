/** Who may not do what, as k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go forbiddenMessage says it. */
export interface Forbidden {
  /** In quotes. */
  readonly user: string
  readonly verb: string
  readonly to: 'resource' | 'path'
}

/** A Go string in quotes: a quote inside of it is escaped. */
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`
const NAMED = new RegExp(`^ ${QUOTED}`, 's')
const WHO_CANNOT_WHAT = new RegExp(String.raw`^User (${QUOTED}) cannot (\S*) (resource|path) "`, 's')

/**
 * What the message of a Status says that authorization (of the request, or of an impersonation) refused; undefined where it
 * says something else, as that of admission does.
 *
 * All that a client may choose in it is in quotes, so that no name ends them: the message is not searched, but read from its
 * beginning. Resource and group are those of `details` (NewForbidden in k8s.io/apimachinery/pkg/api/errors makes both from
 * the same).
 *
 * @param details JSON text
 */
export function readForbidden(message: string, details: string | undefined): Forbidden | undefined {
  const { kind, group, name } = readDetails(details)
  let rest = message
  const take = (text: string): boolean => {
    if (!rest.startsWith(text)) return false
    rest = rest.slice(text.length)
    return true
  }
  if (kind === '' && group === '') {
    if (!take('forbidden: ')) return undefined
  } else {
    if (!take(group === '' ? kind : `${kind}.${group}`)) return undefined
    if (name !== '' && !take(NAMED.exec(rest)?.[0] ?? '\n')) return undefined
    if (!take(' is forbidden: ')) return undefined
  }
  const match = WHO_CANNOT_WHAT.exec(rest)
  if (match === null) return undefined
  const [, user, verb, to] = match as unknown as [string, string, string, Forbidden['to']]
  return { user, verb, to }
}

function readDetails(json: string | undefined): { kind: string; group: string; name: string } {
  let details: unknown
  try {
    details = JSON.parse(json ?? '{}')
  } catch {
    // Cut off, or none.
  }
  const { kind, group, name } = (details ?? {}) as Record<string, unknown>
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return { kind: text(kind), group: text(group), name: text(name) }
}
