import type { CertificateFiles } from '../certificate-files.js'
import { readConfigFile } from '../config-files.js'
import { parseKeyPair, type KeyPair } from '../pem.js'

/** A certificate that the secure port shows, from its files. */
export class ServingCertificate {
  readonly files: readonly string[]
  readonly #certWhere: string
  readonly #keyWhere: string
  #pair: KeyPair

  /**
   * @param certWhere and keyWhere: the flags that name the files
   * @throws ConfigError
   */
  constructor({ certFile, keyFile }: CertificateFiles, certWhere: string, keyWhere: string) {
    this.files = [certFile, keyFile]
    this.#certWhere = certWhere
    this.#keyWhere = keyWhere
    this.#pair = this.#read(certFile, keyFile)
  }

  /** What is in force. */
  get pair(): KeyPair {
    return this.#pair
  }

  /** @throws ConfigError; then what was in force stays */
  reload(): void {
    const [certFile, keyFile] = this.files as [string, string]
    this.#pair = this.#read(certFile, keyFile)
  }

  #read(certFile: string, keyFile: string): KeyPair {
    return parseKeyPair(
      readConfigFile(certFile, this.#certWhere),
      readConfigFile(keyFile, this.#keyWhere),
      `${this.#certWhere}: ${certFile}`,
      `${this.#keyWhere}: ${keyFile}`,
    )
  }
}
