import { createHash, createPublicKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { everythingAt } from '../audit-policy.js'
import { certificate, writeKubeconfigFile } from '../kubeconfig.js'
import type { CA, Issued, PKI } from '../pki.js'
import { ProxyProcess } from '../proxy-process.js'
import type { Certificate, Mode } from './case.js'
import type { Door } from './connection.js'

/** Bodies of what alice may write, and of nothing else. */
export const POLICY = everythingAt('Metadata', ['subjectaccessreviews', 'selfsubjectaccessreviews']).replace(
  '- level: Metadata',
  `- level: RequestResponse
  resources:
  - {group: "", resources: [configmaps, secrets, serviceaccounts/token]}
  - {group: apps, resources: [deployments]}
  - {group: apiextensions.k8s.io, resources: [customresourcedefinitions]}
  - {group: authentication.k8s.io, resources: [tokenreviews]}
- level: Metadata`,
)

/** For --token-auth-file, and what TokenReviews answer. */
export const TOKENS = ['bobtoken,bob,uid-bob,"viewers"', 'caroltoken,carol,uid-carol,"viewers"']

export interface Authorities {
  readonly pki: PKI
  readonly ca: CA
  readonly frontProxyClient: Issued
}

const DAY = 86_400_000
const ADMINISTRATOR = { cn: 'kubernetes-admin', o: ['system:masters'] }

/** The client certificates of all cases: the bad ones all claim to be an administrator's. */
export function clientCertificates({ pki, ca }: Authorities): Map<Certificate, Issued> {
  const client = { usage: 'client' } as const
  const bad = { ...client, ...ADMINISTRATOR }
  const alice = pki.issue(ca, { name: 'alice', cn: 'alice', o: ['dev', 'qa'], ...client })
  const bySelf = pki.ca('kubernetes-admin')
  const sameName = pki.ca('impostor-ca', 'ca')
  const byLeaf = pki.issue(alice, { name: 'by-leaf', ...bad })
  const intermediate = pki.intermediate(ca, 'intermediate')
  const byIntermediate = pki.issue(intermediate, {
    ...{ name: 'alice-by-intermediate', cn: 'alice', o: ['dev', 'qa'] },
    ...client,
  })
  const leafBelow = pki.issue(byIntermediate, { name: 'leaf-below', ...bad })
  return new Map<Certificate, Issued>([
    ['alice', alice],
    ['eve', pki.issue(ca, { name: 'eve', cn: 'eve', o: ['dev'], ...client })],
    [
      'expired',
      pki.issue(ca, {
        name: 'expired',
        ...bad,
        notBefore: new Date(Date.now() - 2 * DAY),
        notAfter: new Date(Date.now() - DAY),
      }),
    ],
    [
      'not yet valid',
      pki.issue(ca, {
        name: 'not-yet-valid',
        ...bad,
        notBefore: new Date(Date.now() + DAY),
        notAfter: new Date(Date.now() + 2 * DAY),
      }),
    ],
    ['for servers', pki.issue(ca, { name: 'for-servers', ...bad, usage: 'server' })],
    ['self-signed', bySelf],
    ['of another authority', pki.issue(pki.ca('other-ca'), { name: 'by-other', ...bad })],
    ['of an authority of the same name', pki.issue(sameName, { name: 'by-impostor', ...bad })],
    ['signed by a leaf', { ...byLeaf, cert: byLeaf.cert + alice.cert }],
    [
      'signed by a leaf of an intermediate authority',
      { ...leafBelow, cert: leafBelow.cert + byIntermediate.cert + intermediate.cert },
    ],
    ['without a name', pki.issue(ca, { name: 'nameless', ...bad, cn: '' })],
    ['with two UIDs', pki.issue(ca, { name: 'two-uids', ...bad, uids: ['1', '2'] })],
    [
      'alice, by an intermediate authority',
      { ...byIntermediate, cert: byIntermediate.cert + intermediate.cert },
    ],
    ['of an intermediate authority, without it', byIntermediate],
  ])
}

/** The proxy in front of the apiserver at `server`, with its own log and the doors for each certificate. */
export class Front {
  readonly #authorities: Authorities
  readonly #certificates: ReadonlyMap<Certificate, Issued>

  private constructor(
    readonly mode: Mode,
    readonly proxy: ProxyProcess,
    readonly auditLog: string,
    authorities: Authorities,
    certificates: ReadonlyMap<Certificate, Issued>,
  ) {
    this.#authorities = authorities
    this.#certificates = certificates
  }

  static async start(
    mode: Mode,
    server: string,
    dir: string,
    authorities: Authorities,
    certificates: ReadonlyMap<Certificate, Issued>,
  ): Promise<Front> {
    const { pki, ca, frontProxyClient } = authorities
    const name = mode.replace(' ', '-')
    const self = pki.issue(ca, { name: `${name}-self`, cn: 'kube-audit-proxy', usage: 'client' })
    const serving = pki.issue(ca, {
      name: `${name}-serving`,
      cn: 'proxy',
      ip: ['127.0.0.1'],
      usage: 'server',
    })
    const kubeconfig = writeKubeconfigFile(
      join(dir, `${name}.kubeconfig`),
      { server, 'certificate-authority': ca.certFile },
      certificate(self),
    )
    const policyFile = join(dir, 'policy.yaml')
    writeFileSync(policyFile, POLICY)
    const auditLog = join(dir, `${name}-audit.log`)
    const proxy = await ProxyProcess.start([
      `--kubeconfig=${kubeconfig}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--client-ca-file=${ca.certFile}`,
      `--audit-policy-file=${policyFile}`,
      `--audit-log-path=${auditLog}`,
      ...(mode === 'request header'
        ? [
            `--proxy-client-cert-file=${frontProxyClient.certFile}`,
            `--proxy-client-key-file=${frontProxyClient.keyFile}`,
          ]
        : []),
    ])
    return new Front(mode, proxy, auditLog, authorities, certificates)
  }

  /** How a client with this certificate gets in. */
  door(certificate: Certificate): Door {
    const door = { port: this.proxy.port, ca: this.#authorities.ca.cert }
    if (certificate === 'none') return door
    const issued = this.#certificates.get(certificate)
    if (issued === undefined) throw new Error(`no certificate ${certificate}`)
    return { ...door, cert: issued.cert, key: issued.key }
  }
}

/** The key ID that kube-apiserver gives a key (pkg/serviceaccount/jwt.go keyIDFromPublicKey). */
export function keyID(certificate: string): string {
  const der = createPublicKey(certificate).export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('base64url')
}
