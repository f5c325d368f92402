import type { X509Certificate } from 'node:crypto'
import type { ClientAuthorities } from '../authentication/new-authentication.js'
import type { Reloadable } from '../live/reloadable.js'
import { parseKeyPair, type KeyPair } from '../pem.js'
import { readConfigFile } from '../config-files.js'

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
  readonly #authorities: ClientAuthorities | undefined
  #pair: KeyPair
  #listener: ((material: ServingMaterial) => void) | undefined

  /**
   * @param authorities of all client certificates; undefined: clients are asked for none
   * @throws ConfigError
   */
  constructor(
    files: { readonly certFile: string; readonly keyFile: string },
    authorities: ClientAuthorities | undefined,
  ) {
    this.#certFile = files.certFile
    this.#keyFile = files.keyFile
    this.#authorities = authorities
    this.#pair = this.#read()
  }

  get material(): ServingMaterial {
    return {
      cert: this.#pair.cert,
      key: this.#pair.key,
      clientCA: this.#authorities?.pem,
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
    const authorities = this.#authorities
    if (authorities === undefined) return [certificate]
    const live: Reloadable = {
      name: authorities.name,
      files: () => authorities.files(),
      reload: async () => {
        await authorities.reload()
        this.#changed()
      },
    }
    return [certificate, live]
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
