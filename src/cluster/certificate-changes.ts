import type { Credentials } from '../kubeconfig/connection.js'

/** Milliseconds between two looks at whether the client certificate was replaced. */
const CERTIFICATE_CHECK = 10_000

/** Notices that the client certificate that connections show was replaced, so that new requests take new connections. */
export class CertificateChanges {
  readonly #credentials: Credentials
  #version: number
  #checkAt = 0

  constructor(credentials: Credentials) {
    this.#credentials = credentials
    this.#version = credentials.certificateVersion
  }

  /** True once for each change that was noticed. To be asked before each request. */
  noticed(): boolean {
    const now = Date.now()
    if (now >= this.#checkAt) {
      this.#checkAt = now + CERTIFICATE_CHECK
      // What it finds shows in the version; an error shows where a connection is opened.
      this.#credentials.clientCertificate().catch(() => {})
    }
    if (this.#credentials.certificateVersion === this.#version) return false
    this.#version = this.#credentials.certificateVersion
    return true
  }
}
