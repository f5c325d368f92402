import { createHmac } from 'node:crypto'

/** After so many digests in one document the markers go without: a body full of tiny values must not cost seconds. */
const MAX_DIGESTS = 4096

/** Makes the markers of one document. */
export class Digester {
  readonly #key: Buffer
  #digests = 0

  constructor(key: Buffer) {
    this.#key = key
  }

  /** What stands in place of `value`; with `base64`, of the bytes that it encodes, where it does. */
  mark(value: string, base64 = false): string {
    if (this.#digests++ >= MAX_DIGESTS) return 'redacted'
    const hmac = createHmac('sha256', this.#key).update(base64 ? decodeBase64(value) : value)
    return `redacted:hmac-sha256:${hmac.digest('hex').slice(0, 16)}`
  }
}

/** The bytes that `value` encodes as Go's base64.StdEncoding has it, padded, CR and LF ignored; else its own bytes. */
function decodeBase64(value: string): Buffer {
  const bytes = Buffer.from(value, 'base64')
  return bytes.toString('base64') === value.replaceAll(/[\r\n]/g, '') ? bytes : Buffer.from(value)
}
