/** The parts of a URL as Go's net/url takes them apart. */
export interface GoURL {
  /** In lower case; '' where there is none. */
  readonly scheme: string
  /** Undefined where there is none, '' where there is an @ alone. */
  readonly user: string | undefined
  /** With the port. */
  readonly host: string
  /** As it was written. */
  readonly path: string
  readonly query: string
  readonly fragment: string
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/
/** What may stand in a host. Only what is not ASCII is escaped there. */
const HOST = /^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]|[^\0-\x7f]|%[89a-fA-F][0-9a-fA-F])*$/
const USER = /^(?:[A-Za-z0-9\-._:~!$&'()*+,;=%@])*$/
// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f\x7f]/
const BROKEN_ESCAPE = /%(?![0-9a-fA-F]{2})/

/** Go's url.Parse; undefined where that is an error. */
export function parseGoURL(text: string): GoURL | undefined {
  const hash = text.indexOf('#')
  const fragment = hash < 0 ? '' : text.slice(hash + 1)
  const before = hash < 0 ? text : text.slice(0, hash)
  if (CONTROL.test(text) || BROKEN_ESCAPE.test(fragment)) return undefined
  const scheme = SCHEME.exec(before)?.[1] ?? ''
  if (scheme === '' && before.startsWith(':')) return undefined
  const rest = scheme === '' ? before : before.slice(scheme.length + 1)
  const question = rest.indexOf('?')
  const hierarchy = question < 0 ? rest : rest.slice(0, question)
  const common = {
    scheme: scheme.toLowerCase(),
    query: question < 0 ? '' : rest.slice(question + 1),
    fragment,
  }
  if (!hierarchy.startsWith('//') || (scheme === '' && hierarchy.startsWith('///'))) {
    // Without a slash what follows a scheme is opaque; without a scheme a colon cannot be in the first part of a path.
    const opaque = scheme !== '' && !hierarchy.startsWith('/')
    if (BROKEN_ESCAPE.test(hierarchy) && !opaque) return undefined
    if (scheme === '' && (hierarchy.split('/', 1)[0] as string).includes(':')) return undefined
    return { ...common, user: undefined, host: '', path: opaque ? '' : hierarchy }
  }
  const authority = parseAuthority(hierarchy.slice(2).split('/', 1)[0] as string)
  const path = hierarchy.slice(2).replace(/^[^/]*/, '')
  return authority === undefined || BROKEN_ESCAPE.test(path) ? undefined : { ...common, ...authority, path }
}

function parseAuthority(authority: string): Pick<GoURL, 'user' | 'host'> | undefined {
  const at = authority.lastIndexOf('@')
  const user = at < 0 ? undefined : authority.slice(0, at)
  if (user !== undefined && (!USER.test(user) || BROKEN_ESCAPE.test(user))) return undefined
  const written = authority.slice(at + 1)
  const bracketed = written.startsWith('[')
  // The zone of an IPv6 address.
  const host = bracketed ? written.replace(/%25(?=[^\]]*\])/, '%') : written
  const port = bracketed ? host.replace(/^\[[^\]]*\]/, '') : (/:.*$/.exec(host)?.[0] ?? '')
  if (
    !HOST.test(host.replace(bracketed ? '%' : '', '')) ||
    !/^(:\d*)?$/.test(port) ||
    (bracketed && !host.includes(']'))
  )
    return undefined
  return { user, host }
}
