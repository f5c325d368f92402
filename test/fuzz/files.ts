import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { parsePolicy } from '../../src/audit/policy/load.js'
import { readCertificate } from '../../src/authentication/certificate.js'
import { InvalidDER } from '../../src/authentication/der.js'
import { readUnverified } from '../../src/authentication/jwt.js'
import { parseArguments } from '../../src/cli/pflag.js'
import { ConfigError } from '../../src/errors.js'
import { loadKubeconfig } from '../../src/kubeconfig/load.js'
import { PROXY_FLAGS } from '../../src/options.js'
import { memoryLog } from '../support/log.js'
import { assert, mayRefuse, mutated, soup, target, type FuzzTarget } from './target.js'

const POLICY_PIECES = [
  'apiVersion: audit.k8s.io/v1\n',
  'kind: Policy\n',
  'rules:\n',
  '- level: Metadata\n',
  '- level: None\n',
  '  users: [a]\n',
  '  resources:\n',
  '  - group: ""\n',
  '    resources: ["pods/*"]\n',
  '  nonResourceURLs: ["/x*"]\n',
  'omitStages: [Panic]\n',
  '  verbs: []\n',
  '{',
  '}',
  '[',
  ']',
  ': ',
  '- ',
  '\n',
  '  ',
  '*a',
  '&a ',
  'null',
  '7',
  '\t',
  '#',
  '---\n',
  '"',
]
const POLICY =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Request\n  users: [a]\n  resources:\n  - {group: "", resources: [pods]}\n- level: Metadata\n'

const changed = (text: string): fc.Arbitrary<string> =>
  mutated(fc.constant(Buffer.from(text))).map((bytes) => bytes.toString())

const policy = target('policies', fc.oneof(soup(POLICY_PIECES), changed(POLICY)), (text) => {
  mayRefuse(ConfigError, () => parsePolicy(text, 'policy.yaml'))
})

const CONFIG =
  'apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters: [{name: a, cluster: {server: "https://a:1", tls-server-name: b}}]\nusers: [{name: a, user: {token: x}}]\n'

/** `dir` is for files that are read again. */
function kubeconfig(dir: string): FuzzTarget {
  const file = join(dir, 'kubeconfig')
  const { log } = memoryLog()
  return target('kubeconfigs', changed(CONFIG), (text) => {
    writeFileSync(file, text)
    mayRefuse(ConfigError, () => loadKubeconfig(file, { log, env: {} }))
  })
}

const NAMES = PROXY_FLAGS.map(({ name }) => name)
const argument = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('--', '-', ''),
      fc.constantFrom(...NAMES),
      fc.constantFrom('', '=', '=1', '=true', '=1m', '=a,b', '=-1', '=1e9', '="'),
    )
    .map((parts) => parts.join('')),
  soup(['--', '-', '=', 'v', 'true', '1h', ',', '"', 'a'], 6),
)
const flags = target('arguments', fc.array(argument, { maxLength: 8 }), (argv) => {
  mayRefuse(ConfigError, () => parseArguments(argv, PROXY_FLAGS))
})

const part = fc.oneof(
  fc.json().map((text) => Buffer.from(text).toString('base64url')),
  fc.base64String(),
  soup(['.', 'e30', '=', '-', '_', ' ']),
)
const tokens = target('tokens', fc.array(part, { maxLength: 5 }), (parts) => {
  const token = readUnverified(parts.join('.'))
  assert(
    token === undefined || (typeof token.header === 'object' && typeof token.claims === 'object'),
    'no objects',
  )
})

function certificates(dir: string): FuzzTarget {
  const certificate = join(dir, 'certificate.der')
  return target('certificates', mutated(fc.constant(readFileSync(certificate))), (der) => {
    mayRefuse(InvalidDER, () => readCertificate(der))
  })
}

/** The targets that read files, and what removes these. `der`: a certificate that is good. */
export function files(der: Buffer): { targets: readonly FuzzTarget[]; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'fuzz-'))
  writeFileSync(join(dir, 'certificate.der'), der)
  const targets = [policy, kubeconfig(dir), flags, tokens, certificates(dir)]
  return { targets, remove: () => rmSync(dir, { recursive: true }) }
}
