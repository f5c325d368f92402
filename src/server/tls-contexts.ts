import { constants } from 'node:crypto'
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls'
import type { KeyPair } from '../pem.js'
import { ServerNames, type NamedCertificate } from './server-names.js'
import type { ServingMaterial } from './serving-tls.js'

/** What the flags say of TLS. */
export interface TLSOptions {
  readonly minVersion: SecureVersion
  /** OpenSSL's names, separated by colons; undefined: Node.js's. */
  readonly ciphers: string | undefined
}

interface NamedContext extends NamedCertificate {
  readonly options: SecureContextOptions
  readonly context: SecureContext
}

/** Of TLS, what can change while the port is open, and what goes with it: which client is shown which certificate. */
export class TLSContexts {
  /** For clients for whom there is no other. */
  readonly fallback: SecureContextOptions
  readonly #names: ServerNames<NamedContext>

  constructor({ serving, named, clientCA }: ServingMaterial, options: TLSOptions) {
    const contextOf = (pair: KeyPair, names: readonly string[]): NamedContext => {
      const of = contextOptions(pair, clientCA, options)
      return { leaf: pair.leaf, names, options: of, context: createSecureContext(of) }
    }
    const fallback = contextOf(serving, [])
    this.fallback = fallback.options
    this.#names = new ServerNames(
      fallback,
      named.map((pair) => contextOf(pair, pair.names)),
    )
  }

  /** For a client that says whom it wants to speak to. */
  forServerName(name: string): SecureContext {
    return this.#names.forServerName(name).context
  }

  /** For clients that do not say it, but have come to one of these IP addresses. */
  get byAddress(): ReadonlyMap<string, SecureContextOptions> {
    return new Map([...this.#names.byAddress].map(([address, { options }]) => [address, options]))
  }
}

function contextOptions(
  { cert, key }: KeyPair,
  clientCA: string | undefined,
  { minVersion, ciphers }: TLSOptions,
): SecureContextOptions {
  return {
    cert,
    key,
    ...(clientCA === undefined ? {} : { ca: clientCA }),
    minVersion,
    ...(ciphers === undefined ? {} : { ciphers }),
    // A resumed session would carry a certificate that was verified long ago, and a renegotiated one another certificate
    // than the one that was. crypto/tls does not renegotiate either.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  }
}
