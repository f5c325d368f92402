import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One certificate with its key. Both are on disk as well, the key readable by its owner only. */
export interface Issued {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

export type CA = Issued

export interface CertificateRequest {
  /** Names the files; unique within the PKI. */
  readonly name: string
  readonly cn: string
  readonly o?: readonly string[]
  /** Values of the attribute that Kubernetes has for a user's UID. */
  readonly uids?: readonly string[]
  readonly dns?: readonly string[]
  readonly ip?: readonly string[]
  readonly uri?: readonly string[]
  /** Extended key usage; 'none' leaves the extension out. Default 'both'. */
  readonly usage?: 'client' | 'server' | 'both' | 'none'
  /** Valid for that many days from notBefore. Default 1; notAfter wins. */
  readonly days?: number
  readonly notBefore?: Date
  readonly notAfter?: Date
}

const DAY = 86_400_000
const LEAF: readonly string[] = ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature']
const USAGES = { client: 'clientAuth', server: 'serverAuth', both: 'clientAuth,serverAuth' } as const

/**
 * Throwaway certificate authorities and certificates (ECDSA P-256), made with openssl in a directory that the test
 * owns, such as t.testdir(). Nothing of it is checked in.
 */
export class PKI {
  readonly #dir: string
  #serial = 1

  constructor(dir: string) {
    this.#dir = dir
    mkdirSync(dir, { recursive: true })
  }

  /** What was made under that name. */
  read(name: string): Issued {
    const base = join(this.#dir, name)
    return read({ certFile: `${base}.crt`, keyFile: `${base}.key` })
  }

  /** A self-signed certificate authority, valid for a year around now. Its name is `cn`. */
  ca(name: string, cn = name): CA {
    const files = this.#newKey(name)
    this.#openssl(
      ...['req', '-x509', '-new', '-sha256', '-key', files.keyFile, '-out', files.certFile],
      ...[
        '-config',
        this.#config(name, ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']),
      ],
      ...['-extensions', 'ext', '-subj', subject({ name, cn }), '-days', '365'],
    )
    return read(files)
  }

  /** A certificate issued by `ca`; an hour old unless notBefore says otherwise. */
  issue(ca: CA, request: CertificateRequest, constraints = LEAF): Issued {
    const { name, usage = 'both', days = 1 } = request
    const files = this.#newKey(name)
    const notBefore = request.notBefore ?? new Date((request.notAfter?.getTime() ?? Date.now()) - DAY / 24)
    const notAfter = request.notAfter ?? new Date(notBefore.getTime() + days * DAY)
    const san = [
      ...(request.dns ?? []).map((v) => `DNS:${v}`),
      ...(request.ip ?? []).map((v) => `IP:${v}`),
      ...(request.uri ?? []).map((v) => `URI:${v}`),
    ]
    const config = this.#config(name, [
      ...constraints,
      ...(usage === 'none' ? [] : [`extendedKeyUsage=${USAGES[usage]}`]),
      ...(san.length === 0 ? [] : [`subjectAltName=${san.join(',')}`]),
    ])
    const csr = join(this.#dir, `${name}.csr`)
    this.#openssl(
      'req',
      '-new',
      '-config',
      config,
      '-key',
      files.keyFile,
      '-out',
      csr,
      '-subj',
      subject(request),
    )
    // `openssl x509 -req` cannot set notBefore; `openssl ca` can, and needs a small database for it.
    writeFileSync(join(this.#dir, `${name}.db`), '')
    writeFileSync(join(this.#dir, `${name}.srl`), (this.#serial++).toString(16).padStart(4, '0'))
    this.#openssl(
      ...['ca', '-batch', '-notext', '-config', config, '-in', csr, '-out', files.certFile],
      ...['-cert', ca.certFile, '-keyfile', ca.keyFile, '-outdir', this.#dir],
      ...['-startdate', asn1Time(notBefore), '-enddate', asn1Time(notAfter), '-extensions', 'ext'],
    )
    return read(files)
  }

  /** An authority that answers to `ca`. */
  intermediate(ca: CA, name: string): CA {
    return this.issue(ca, { name, cn: name }, [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign,cRLSign',
    ])
  }

  /** A revocation list (PEM) of `ca` that runs out at nextUpdate, or in an hour. */
  crl(ca: CA, revoked: readonly Issued[], { nextUpdate = new Date(Date.now() + DAY / 24) } = {}): string {
    const name = `crl-${this.#serial++}`
    const config = this.#config(name, [])
    writeFileSync(join(this.#dir, `${name}.db`), '')
    const base = ['ca', '-config', config, '-cert', ca.certFile, '-keyfile', ca.keyFile]
    for (const { certFile } of revoked) this.#openssl(...base, '-revoke', certFile)
    const file = join(this.#dir, `${name}.pem`)
    const lastUpdate = new Date(Math.min(Date.now(), nextUpdate.getTime()) - DAY / 24)
    this.#openssl(
      ...[...base, '-gencrl', '-out', file, '-crl_lastupdate', asn1Time(lastUpdate)],
      ...['-crl_nextupdate', asn1Time(nextUpdate)],
    )
    return readFileSync(file, 'utf8')
  }

  #newKey(name: string): { certFile: string; keyFile: string } {
    const keyFile = join(this.#dir, `${name}.key`)
    this.#openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', keyFile)
    chmodSync(keyFile, 0o600)
    return { certFile: join(this.#dir, `${name}.crt`), keyFile }
  }

  #config(name: string, extensions: readonly string[]): string {
    const file = join(this.#dir, `${name}.cnf`)
    const base = join(this.#dir, name)
    writeFileSync(
      file,
      [
        'oid_section=oids\n[oids]\nkubernetesUID=1.3.6.1.4.1.57683.2',
        '[req]\ndistinguished_name=dn\nstring_mask=utf8only\nutf8=yes\n[dn]',
        `[ca]\ndefault_ca=db\n[db]\ndatabase=${base}.db\nserial=${base}.srl\ndefault_md=sha256\npolicy=any`,
        'unique_subject=no\n[any]\norganizationName=optional\ncommonName=optional\nkubernetesUID=optional',
        `[ext]\n${extensions.join('\n')}\n`,
      ].join('\n'),
    )
    return file
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
}

function read(files: { certFile: string; keyFile: string }): Issued {
  return { ...files, cert: readFileSync(files.certFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8') }
}

function subject({ cn, o = [], uids = [] }: CertificateRequest): string {
  const attribute = (name: string) => (v: string) => `/${name}=${v.replace(/[\\/+]/g, '\\$&')}`
  return [...o.map(attribute('O')), attribute('CN')(cn), ...uids.map(attribute('kubernetesUID'))].join('')
}

/** YYYYMMDDHHMMSSZ */
function asn1Time(date: Date): string {
  return date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
}
