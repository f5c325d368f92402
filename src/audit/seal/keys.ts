import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import { statSync } from 'node:fs'
import { readConfigFile } from '../../config-files.js'
import { ConfigError } from '../../errors.js'
import { sha256, toHex } from './merkle.js'

const BLOCK = /-----BEGIN ([A-Z ]+)-----[^-]*-----END \1-----/g
/** What stands before the 32 bytes of an Ed25519 key in its DER form (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** An Ed25519 public key. */
export class PublicKey {
  /** Its 32 bytes in hex. */
  readonly hex: string
  /** What statements call it: the first 16 hex digits of the SHA-256 of its 32 bytes. */
  readonly id: string
  readonly #key: KeyObject

  constructor(key: KeyObject) {
    const raw = key.export({ format: 'der', type: 'spki' }).subarray(SPKI.length)
    this.#key = key
    this.hex = raw.toString('hex')
    this.id = toHex(sha256(raw)).slice(0, 16)
  }

  static fromHex(hex: string): PublicKey {
    const der = Buffer.concat([SPKI, Buffer.from(hex, 'hex')])
    return new PublicKey(createPublicKey({ key: der, format: 'der', type: 'spki' }))
  }

  verifies(bytes: Buffer, signature: Buffer): boolean {
    return verify(null, bytes, this.#key, signature)
  }

  toPEM(): string {
    return this.#key.export({ format: 'pem', type: 'spki' }) as string
  }
}

/** An Ed25519 private key: it signs statements. */
export class SealKey {
  readonly publicKey: PublicKey
  readonly #key: KeyObject

  constructor(key: KeyObject) {
    this.#key = key
    this.publicKey = new PublicKey(createPublicKey(key))
  }

  static generate(): SealKey {
    return new SealKey(generateKeyPairSync('ed25519').privateKey)
  }

  sign(bytes: Buffer): Buffer {
    return sign(null, bytes, this.#key)
  }

  toPEM(): string {
    return this.#key.export({ format: 'pem', type: 'pkcs8' }) as string
  }
}

/** What --audit-seal-key-file has: the key that signs, and behind it keys of before, which sign the change to it. */
export interface SealKeys {
  readonly current: SealKey
  readonly before: readonly SealKey[]
}

/**
 * Reads a file of private keys.
 *
 * @param where what named the file: `--audit-seal-key-file`
 * @throws ConfigError, also where others than its owner may read the file. It never quotes a key.
 */
export function readSealKeys(file: string, where: string): SealKeys {
  const blocks = pemBlocks(readConfigFile(file, where))
  const mode = statSync(file).mode & 0o777
  if ((mode & 0o077) !== 0)
    throw new ConfigError(
      `${where}: ${file}: found mode 0${mode.toString(8)}, expected 0600: whoever has the key can forge the log`,
    )
  const keys = blocks.map((block) => {
    let key: KeyObject
    try {
      key = createPrivateKey(block)
    } catch {
      const problem = block.includes('ENCRYPTED')
        ? 'the private key is encrypted'
        : 'no usable private key found'
      throw new ConfigError(
        `${where}: ${file}: ${problem}, expected an unencrypted Ed25519 private key in PEM`,
      )
    }
    if (key.asymmetricKeyType !== 'ed25519') throw notEd25519(file, where, key)
    return new SealKey(key)
  })
  const [current, ...before] = keys
  if (current === undefined)
    throw new ConfigError(`${where}: ${file}: no key found, expected an Ed25519 private key in PEM`)
  return { current, before }
}

/**
 * Reads a file of public keys.
 * @throws ConfigError
 */
export function readPublicKeys(file: string, where: string): PublicKey[] {
  const keys = pemBlocks(readConfigFile(file, where)).map((block) => {
    let key: KeyObject
    try {
      key = createPublicKey(block)
    } catch {
      throw new ConfigError(`${where}: ${file}: no usable public key found, expected Ed25519 in PEM`)
    }
    if (key.asymmetricKeyType !== 'ed25519') throw notEd25519(file, where, key)
    return new PublicKey(key)
  })
  if (keys.length === 0)
    throw new ConfigError(`${where}: ${file}: no key found, expected an Ed25519 public key in PEM`)
  return keys
}

function pemBlocks(text: string): string[] {
  return text.match(BLOCK) ?? []
}

function notEd25519(file: string, where: string, key: KeyObject): ConfigError {
  return new ConfigError(`${where}: ${file}: found a key of type ${key.asymmetricKeyType}, expected Ed25519`)
}
