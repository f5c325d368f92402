import type { X509Certificate } from 'node:crypto'
import type { AuthenticationOptions } from './options.js'
import { ConfigError } from '../errors.js'
import type { Reloadable } from '../live/reloadable.js'
import { parseCertificates } from '../pem.js'
import { readConfigFile } from '../config-files.js'
import {
  checkRevocationLists,
  ClientCertificates,
  newAuthorityBundle,
  ShownCertificates,
  type AuthorityBundle,
} from './client-certificate.js'
import { parseRevocationLists, type RevocationList } from './crl.js'

const CRL_FLAG = '--client-ca-crl-file'

interface Content {
  readonly clients: AuthorityBundle | undefined
  readonly frontProxies: AuthorityBundle | undefined
  readonly pem: string
}

/** --client-ca-file, --requestheader-client-ca-file and their --client-ca-crl-file, read together. */
export class ClientCertificateFiles implements Reloadable {
  readonly name = 'client-ca-file'
  /** Those of --client-ca-file; undefined where it is not set. */
  readonly clients: ClientCertificates | undefined
  /** Those of --requestheader-client-ca-file; undefined where it is not set. */
  readonly frontProxies: ClientCertificates | undefined
  #current: Content

  readonly #options: AuthenticationOptions

  /**
   * @param now milliseconds since the epoch
   * @throws ConfigError
   */
  constructor(options: AuthenticationOptions, now: () => number) {
    this.#options = options
    this.#current = this.#read()
    const { clients, frontProxies } = this.#current
    const shown = new ShownCertificates()
    this.clients = clients && new ClientCertificates(clients, shown, now)
    this.frontProxies = frontProxies && new ClientCertificates(frontProxies, shown, now)
  }

  files(): string[] {
    const { clientCAFile, requestHeader, clientCACRLFiles } = this.#options
    return [clientCAFile, requestHeader.clientCAFile, ...clientCACRLFiles].filter(
      (file) => file !== undefined,
    )
  }

  /** All authorities, for the TLS layer. */
  get pem(): string {
    return this.#current.pem
  }

  reload(): void {
    const content = this.#read()
    this.#current = content
    if (content.clients !== undefined) this.clients?.replace(content.clients)
    if (content.frontProxies !== undefined) this.frontProxies?.replace(content.frontProxies)
  }

  #read(): Content {
    const { clientCAFile, requestHeader, clientCACRLFiles } = this.#options
    const lists: RevocationList[] = clientCACRLFiles.flatMap((file) =>
      parseRevocationLists(readConfigFile(file, CRL_FLAG), `${CRL_FLAG}: ${file}`),
    )
    const clients = readAuthorities(clientCAFile, '--client-ca-file', lists)
    const frontProxies = readAuthorities(requestHeader.clientCAFile, '--requestheader-client-ca-file', lists)
    const bundles = [clients, frontProxies].filter((bundle) => bundle !== undefined)
    checkRevocationLists(lists, bundles, CRL_FLAG)
    const all = bundles.flatMap(({ authorities }) => authorities)
    checkRoots(all)
    const pem = all.map(String).join('')
    return { clients, frontProxies, pem }
  }
}

function readAuthorities(
  file: string | undefined,
  flag: string,
  lists: readonly RevocationList[],
): AuthorityBundle | undefined {
  if (file === undefined) return undefined
  return newAuthorityBundle(parseCertificates(readConfigFile(file, flag), `${flag}: ${file}`), lists)
}

/**
 * Node.js's TLS server trusts an authority only with all above it, up to one that answers to nobody; Go trusts it alone.
 * Its users would be refused one by one, so that this is said at once.
 */
function checkRoots(authorities: readonly X509Certificate[]): void {
  const rootless = authorities.find((one) => !authorities.some((issuer) => one.checkIssued(issuer)))
  if (rootless === undefined) return
  throw new ConfigError(
    `--client-ca-file, --requestheader-client-ca-file: the authority ${oneLine(rootless.subject)} is there without ` +
      `the one that issued it (${oneLine(rootless.issuer)}), expected all up to the root`,
  )
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}
