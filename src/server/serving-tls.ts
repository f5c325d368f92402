import type { X509Certificate } from 'node:crypto'
import type { ClientAuthorities } from '../authentication/new-authentication.js'
import type { CertificateFiles } from '../certificate-files.js'
import type { NamedCertKey } from '../cli/named-cert-key.js'
import type { Reloadable } from '../live/reloadable.js'
import type { KeyPair } from '../pem.js'
import type { NamedCertificate } from './server-names.js'
import { ServingCertificate } from './serving-certificate.js'

/** A certificate with its chain and key, and the names that its flag has for it. */
export type NamedKeyPair = KeyPair & NamedCertificate

/** What the secure port shows, and whose client certificates it asks for. */
export interface ServingMaterial {
  readonly serving: KeyPair
  /** What is shown to clients that ask for some names instead. */
  readonly named: readonly NamedKeyPair[]
  /** PEM; undefined: no client is asked for a certificate. */
  readonly clientCA: string | undefined
}

export interface ServingFiles extends CertificateFiles {
  readonly sniCertKeys: readonly NamedCertKey[]
}

/** A certificate of the secure port, by the flag that names its file. */
interface Shown {
  readonly name: string
  readonly certificate: X509Certificate
}

interface Named {
  /** The flag that names its files, and where that can be given several times, the file. */
  readonly name: string
  readonly certificate: ServingCertificate
  readonly names: readonly string[]
}

/**
 * The files behind the TLS of the secure port. Whoever listens is told when one of them has changed
 * (k8s.io/apiserver/pkg/server/dynamiccertificates).
 */
export class ServingTLS {
  readonly #serving: ServingCertificate
  readonly #named: readonly Named[]
  readonly #authorities: ClientAuthorities | undefined
  #listener: ((material: ServingMaterial) => void) | undefined

  /**
   * @param authorities of all client certificates; undefined: clients are asked for none
   * @throws ConfigError
   */
  constructor(files: ServingFiles, authorities: ClientAuthorities | undefined) {
    this.#serving = new ServingCertificate(files, '--tls-cert-file', '--tls-private-key-file')
    this.#named = files.sniCertKeys.map((one) => ({
      name: `tls-sni-cert-key=${one.certFile}`,
      certificate: new ServingCertificate(one, '--tls-sni-cert-key', '--tls-sni-cert-key'),
      names: one.names,
    }))
    this.#authorities = authorities
  }

  get material(): ServingMaterial {
    return {
      serving: this.#serving.pair,
      named: this.#named.map(({ names, certificate }) => ({ ...certificate.pair, names })),
      clientCA: this.#authorities?.pem,
    }
  }

  /** The serving certificates themselves. */
  get certificates(): readonly Shown[] {
    return this.#certificates.map(({ name, certificate }) => ({ name, certificate: certificate.pair.leaf }))
  }

  /** Called with what is in force from now on, for new connections. */
  onChange(listener: (material: ServingMaterial) => void): void {
    this.#listener = listener
  }

  /** Everything that can change. */
  reloadables(): Reloadable[] {
    // Each on its own: one that cannot be used keeps no other from being renewed.
    const parts = this.#certificates.map(({ name, certificate }): Reloadable => ({
      name,
      files: () => certificate.files,
      reload: () => {
        certificate.reload()
        this.#changed()
      },
    }))
    const authorities = this.#authorities
    if (authorities === undefined) return parts
    const live: Reloadable = {
      name: authorities.name,
      files: () => authorities.files(),
      reload: async () => {
        await authorities.reload()
        this.#changed()
      },
    }
    return [...parts, live]
  }

  get #certificates(): readonly Omit<Named, 'names'>[] {
    return [{ name: 'tls-cert-file', certificate: this.#serving }, ...this.#named]
  }

  #changed(): void {
    this.#listener?.(this.material)
  }
}
