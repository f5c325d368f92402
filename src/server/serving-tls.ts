import type { X509Certificate } from 'node:crypto'
import type { CertificateAuthorities } from '../authentication/certificate-authorities.js'
import type { Reloadable } from '../live/reloadable.js'
import { parseKeyPair, readConfigFile, type KeyPair } from '../pem.js'

/** What the secure port shows, and whose client certificates it asks for. All PEM. */
export interface ServingMaterial {
  /** The serving certificate with its chain. */
  readonly cert: string
  readonly key: string
  /** undefined: no client is asked for a certificate. */
  readonly clientCA: string | undefined
}

/**
 * The files behind the TLS of the secure port. Whoever listens is told when one of them has changed
 * (k8s.io/apiserver/pkg/server/dynamiccertificates).
 */
export class ServingTLS {
  readonly #certFile: string
  readonly #keyFile: string
  readonly #authorities: readonly CertificateAuthorities[]
  #pair: KeyPair
  #listener: ((material: ServingMaterial) => void) | undefined

  /**
   * @param authorities of all client certificates; which of them make a user is for the authenticators to say
   * @throws ConfigError
   */
  constructor(
    files: { readonly certFile: string; readonly keyFile: string },
    authorities: readonly CertificateAuthorities[],
  ) {
    this.#certFile = files.certFile
    this.#keyFile = files.keyFile
    this.#authorities = authorities
    this.#pair = this.#read()
  }

  get material(): ServingMaterial {
    const authorities = this.#authorities
    return {
      cert: this.#pair.cert,
      key: this.#pair.key,
      clientCA: authorities.length === 0 ? undefined : authorities.map(({ pem }) => pem).join('\n'),
    }
  }

  /** The serving certificate itself. */
  get certificate(): X509Certificate {
    return this.#pair.leaf
  }

  /** Called with what is in force from now on, for new connections. */
  onChange(listener: (material: ServingMaterial) => void): void {
    this.#listener = listener
  }

  /** Everything that can change. */
  reloadables(): Reloadable[] {
    const certificate: Reloadable = {
      name: 'tls-cert-file',
      files: () => [this.#certFile, this.#keyFile],
      reload: () => {
        this.#pair = this.#read()
        this.#changed()
      },
    }
    const authorities = this.#authorities.map((authorities): Reloadable => ({
      name: authorities.name,
      files: () => authorities.files(),
      reload: () => {
        authorities.reload()
        this.#changed()
      },
    }))
    return [certificate, ...authorities]
  }

  #changed(): void {
    this.#listener?.(this.material)
  }

  #read(): KeyPair {
    const [certWhere, keyWhere] = ['--tls-cert-file', '--tls-private-key-file']
    return parseKeyPair(
      readConfigFile(this.#certFile, certWhere),
      readConfigFile(this.#keyFile, keyWhere),
      `${certWhere}: ${this.#certFile}`,
      `${keyWhere}: ${this.#keyFile}`,
    )
  }
}
