import fc from 'fast-check'
import type { Certificate, Identity, Mode } from './case.js'

/** One line of a request's head, taken apart. */
export interface Line {
  /** In lower case, without what may surround it. */
  readonly name: string
  readonly value: string
  /** The line as it is sent. */
  readonly text: string
  /** False where no parser of HTTP may take it for a header. */
  readonly wellFormed: boolean
}

export interface FuzzedRequest {
  readonly certificate: Certificate
  readonly lines: readonly Line[]
}

/** What must come of a request. `by` undefined: who asks is not established. */
export type Outcome =
  | { readonly code: 200; readonly by: Identity; readonly authorization: string | undefined }
  | { readonly code: 400 | 401 | 403; readonly by: Identity | undefined }
  /** `logged`: it was a request, but one that is refused whoever asks. */
  | { readonly code: 400; readonly logged: boolean }

const IDENTITY_NAMES = [
  'x-remote-user',
  'x-remote-group',
  'x-remote-uid',
  'x-remote-extra-scopes',
  'x-remote-',
  'impersonate-user',
  'impersonate-group',
  'impersonate-extra-scopes',
  'impersonate-',
]
const OTHER_NAMES = [
  'x_remote_user',
  'impersonate_user',
  'x-remote',
  'impersonate',
  'x-forwarded-for',
  'x-forwarded-user',
  'authorization_',
  'accept',
  'cookie',
  'te',
  'trailer',
  'keep-alive',
  'proxy-authorization',
  'upgrade-insecure-requests',
]
const VALUES = [
  'root',
  'mallory',
  'alice',
  'system:masters',
  '',
  'a, b',
  'r\xc3\xb6\xc3\xb6t',
  '\xff',
  '"',
  '%2f',
]
const AUTHORIZATIONS = [
  'Bearer bobtoken',
  'bearer caroltoken',
  'Bearer wrong',
  'Basic cm9vdA==',
  '',
  'Bearer',
]
const CONNECTION_OPTIONS = [
  ...IDENTITY_NAMES,
  'authorization',
  'audit-id',
  'accept',
  'keep-alive',
  'cookie',
  'te',
  '',
]

/** The name with each letter in upper case where a bit is set. */
function spelled(name: string, bits: number): string {
  return [...name].map((c, i) => ((bits >>> (i % 31)) & 1 ? c.toUpperCase() : c)).join('')
}

const spaces = fc.constantFrom('', ' ', '\t', '  ', ' \t ')

function lineOf(names: fc.Arbitrary<string>, values: fc.Arbitrary<string>): fc.Arbitrary<Line> {
  return fc
    .record({
      name: names,
      value: values,
      bits: fc.nat(),
      before: spaces,
      after: spaces,
      // One line in about thirty is broken.
      flaw: fc.oneof(
        { weight: 30, arbitrary: fc.constant('') },
        fc.constantFrom(' :', '\t:', ' x', '\t', '\0:'),
      ),
    })
    .map(({ name, value, bits, before, after, flaw }) => {
      const leading = flaw === ' x' || flaw === '\t' ? flaw.charAt(0) : ''
      const colon = flaw.endsWith(':') ? flaw : ':'
      const text = `${leading}${spelled(name, bits)}${colon}${before}${value}${after}`
      return { name, value, text, wellFormed: flaw === '' }
    })
}

const lines = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: lineOf(fc.constantFrom(...IDENTITY_NAMES), fc.constantFrom(...VALUES)) },
    { weight: 3, arbitrary: lineOf(fc.constantFrom(...OTHER_NAMES), fc.constantFrom(...VALUES)) },
    { weight: 2, arbitrary: lineOf(fc.constant('authorization'), fc.constantFrom(...AUTHORIZATIONS)) },
    {
      weight: 1,
      arbitrary: lineOf(
        fc.constant('connection'),
        fc
          .array(fc.constantFrom(...CONNECTION_OPTIONS), { maxLength: 3 })
          .map((options) => options.join(' ,')),
      ),
    },
  ),
  { maxLength: 10 },
)

export const fuzzedRequest: fc.Arbitrary<FuzzedRequest> = fc.record({
  certificate: fc.constantFrom<Certificate>('alice', 'eve', 'none'),
  lines,
})

/** What must come of it, worked out from the lines alone. */
export function outcomeOf({ certificate, lines }: FuzzedRequest, mode: Mode): Outcome {
  if (!lines.every(({ wellFormed }) => wellFormed)) return { code: 400, logged: false }
  const values = (wanted: string): string[] =>
    lines.filter(({ name }) => name === wanted).map(({ value }) => value)
  const named = values('connection').flatMap((list) => list.split(' ,'))
  if (named.some((name) => /^(authorization|audit-id|impersonate-.*)$/.test(name))) {
    return { code: 400, logged: true }
  }

  const [first] = values('authorization')
  const token = /^bearer (\S+)$/i.exec(first ?? '')?.[1]
  const byToken = token === 'bobtoken' ? 'bob' : token === 'caroltoken' ? 'carol' : undefined
  if (certificate === 'none' && token !== undefined && byToken === undefined)
    return { code: 401, by: undefined }
  const by: Identity = certificate === 'alice' || certificate === 'eve' ? certificate : (byToken ?? 'nobody')

  const target = values('impersonate-user')[0] ?? ''
  const more = [...values('impersonate-group'), ...values('impersonate-extra-scopes')]
  const asserted = certificate !== 'none'
  // The apiserver refuses it, unless the proxy takes its place.
  if (target === '' && more.length > 0 && asserted && mode === 'impersonation') return { code: 400, by }
  const authorization = asserted || byToken === undefined ? undefined : first
  if (target === '' || !asserted || mode === 'request header') return { code: 200, by, authorization }
  const allowed = by === 'eve' && target === 'mallory' && more.length === 0
  return allowed ? { code: 200, by: 'eve as mallory', authorization } : { code: 403, by }
}
