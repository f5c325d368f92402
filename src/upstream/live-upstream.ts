import type { X509Certificate } from 'node:crypto'
import type { Logger } from 'pino'
import type { ClusterConnection, Credentials } from '../kubeconfig/connection.js'
import { NO_CREDENTIALS } from '../kubeconfig/credentials.js'
import { inClusterConnection } from '../kubeconfig/in-cluster.js'
import { loadKubeconfig } from '../kubeconfig/load.js'
import type { Reloadable } from '../live/reloadable.js'
import { parseKeyPair, validityProblem, type KeyPair } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import { ClusterClient } from '../cluster/cluster-client.js'
import type { ReviewClient } from '../cluster/reviews.js'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'
import { ImpersonatingAsserter, RequestHeaderAsserter, Upstream } from './upstream.js'

export interface LiveUpstreamOptions {
  /** undefined: the cluster that the proxy is a pod of. */
  readonly kubeconfig: string | undefined
  readonly proxyClientCert: { readonly certFile: string; readonly keyFile: string } | undefined
  /** --authentication-kubeconfig; undefined: as kubeconfig. */
  readonly authenticationKubeconfig: string | undefined
}

/** The connections upstream and the files that they come from. */
export class LiveUpstream {
  readonly upstream: Upstream
  /** The proxy's own connection to the upstream. */
  readonly own: ReviewClient
  /** For TokenReviews and SubjectAccessReviews. */
  readonly reviews: ReviewClient
  readonly #cluster: ClusterClient
  readonly #reviewing: ClusterClient
  readonly #frontProxy: FrontProxyCertificate | undefined

  /** @throws ConfigError */
  constructor(options: LiveUpstreamOptions, log: Logger) {
    const { kubeconfig, proxyClientCert, authenticationKubeconfig } = options
    const connect = (file: string | undefined, flag: string): ClusterConnection =>
      file === undefined ? inClusterConnection({ log }) : loadKubeconfig(file, { log, where: `--${flag}` })
    this.#frontProxy = proxyClientCert && new FrontProxyCertificate(proxyClientCert, log)
    const name = 'kubeconfig'
    const cluster = new ClusterClient(name, () => connect(kubeconfig, name), this.#frontProxy?.credentials)
    this.#cluster = cluster
    const reviewing = 'authentication-kubeconfig'
    this.#reviewing =
      authenticationKubeconfig === undefined
        ? cluster
        : new ClusterClient(reviewing, () => connect(authenticationKubeconfig, reviewing))
    this.own = cluster
    this.reviews = this.#reviewing
    const asserter =
      this.#frontProxy === undefined
        ? new ImpersonatingAsserter(cluster)
        : new RequestHeaderAsserter(() => cluster.frontProxy as UpstreamConnections)
    this.upstream = new Upstream(() => cluster.bare, asserter)
  }

  /** Connections of now that carry no credential of the proxy's. */
  get bare(): UpstreamConnections {
    return this.#cluster.bare
  }

  /** The front-proxy certificate in use, for its expiry; undefined without one. */
  get frontProxyCertificate(): X509Certificate | undefined {
    return this.#frontProxy?.certificate
  }

  /** Everything that can change. */
  reloadables(): Reloadable[] {
    const all: Reloadable[] = [this.#cluster]
    if (this.#reviewing !== this.#cluster) all.push(this.#reviewing)
    if (this.#frontProxy !== undefined) all.push(this.#frontProxy)
    return all
  }

  /** Cuts what is still open. */
  async close(): Promise<void> {
    await this.#cluster.close()
    if (this.#reviewing !== this.#cluster) await this.#reviewing.close()
  }
}

/** --proxy-client-cert-file and --proxy-client-key-file. Connections follow the certificate by themselves. */
class FrontProxyCertificate implements Reloadable {
  readonly name = 'proxy-client-cert-file'
  readonly credentials: Credentials
  readonly #files: { readonly certFile: string; readonly keyFile: string }
  readonly #log: Logger
  #pair: KeyPair
  #version = 0

  constructor(files: { readonly certFile: string; readonly keyFile: string }, log: Logger) {
    this.#files = files
    this.#log = log
    this.#pair = this.#read()
    const version = () => this.#version
    this.credentials = {
      ...NO_CREDENTIALS,
      get certificateVersion() {
        return version()
      },
      clientCertificate: () => Promise.resolve(this.#pair),
    }
  }

  get certificate(): X509Certificate {
    return this.#pair.leaf
  }

  files(): string[] {
    return [this.#files.certFile, this.#files.keyFile]
  }

  reload(): void {
    this.#pair = this.#read()
    this.#version++
  }

  #read(): KeyPair {
    const [cert, key] = ['--proxy-client-cert-file', '--proxy-client-key-file']
    const { certFile, keyFile } = this.#files
    const pair = parseKeyPair(
      readConfigFile(certFile, cert),
      readConfigFile(keyFile, key),
      `${cert}: ${certFile}`,
      `${key}: ${keyFile}`,
    )
    const problem = validityProblem(pair.leaf, Date.now())
    if (problem !== undefined) this.#log.warn(`${cert}: ${certFile}: ${problem}`)
    return pair
  }
}
