/** A certificate chain and its private key, both PEM. */
export interface CertificateKeyPair {
  readonly cert: string
  readonly key: string
}

/**
 * Who we are to a cluster (or to a webhook). What it gives may change while the process runs: a token file is read
 * again, an exec plugin is run again, certificate files are replaced. So ask for each request (authorization) and for
 * each connection (clientCertificate); both are cached and cheap.
 */
export interface Credentials {
  /**
   * Changes whenever clientCertificate has another answer than before. A connection that was made with an older one is
   * to be left.
   */
  readonly certificateVersion: number
  /** The TLS client certificate, or undefined where there is none. Rejects with a one-line Error. */
  clientCertificate(): Promise<CertificateKeyPair | undefined>
  /** The value of the Authorization header, or undefined where there is none. Rejects with a one-line Error. */
  authorization(): Promise<string | undefined>
  /**
   * To be called after a 401: what was cached is not used again. Pass the Authorization that was refused where there was
   * one; where it has been replaced in the meantime, nothing is done.
   */
  invalidate(refused?: string): void
  /** Those that are read again when they are due; who wants a change at once watches them. */
  readonly files: readonly string[]
  /** Ends an exec plugin that is running. Nothing is asked afterwards. */
  close(): void
}

/** Where a cluster (or a webhook) is and how to trust it: what one context of a kubeconfig says. */
export interface ClusterConnection {
  /**
   * http or https; a path in it is put before the path of each request. It has no query, and no slash at the end other
   * than the root's.
   */
  readonly server: URL
  readonly tls: {
    /** PEM; undefined means the certificate authorities that Node.js trusts. */
    readonly ca?: string | undefined
    /** The name to ask for and to verify, where it is not the server's host. */
    readonly servername?: string | undefined
    readonly rejectUnauthorized: boolean
  }
  /** http or https. */
  readonly proxyUrl?: URL | undefined
  readonly credentials: Credentials
  /** The file it was read from, for messages. */
  readonly source: string
  /** All files that were read once and for all; those of the credentials are read again when they are due. */
  readonly files: readonly string[]
}
