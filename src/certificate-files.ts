import type { FlagValues, TextFlag } from './cli/flag-values.js'
import type { Flag } from './cli/flag.js'
import { readConfigFile } from './config-files.js'
import { ConfigError } from './errors.js'
import { parseKeyPair } from './pem.js'

/** The files of a certificate and its key. They fitted together when they were looked at. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

/**
 * The files that two flags name, which are read once to see that they fit; undefined where neither is given.
 * @throws ConfigError
 */
export function readCertificateFiles<F extends readonly Flag[]>(
  values: FlagValues<F>,
  cert: TextFlag<F>,
  key: TextFlag<F>,
): CertificateFiles | undefined {
  const certFile = values.text(cert)
  const keyFile = values.text(key)
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile === undefined) throw new ConfigError(`${values.where(key)} is set, expected --${cert} as well`)
  if (keyFile === undefined) throw new ConfigError(`${values.where(cert)} is set, expected --${key} as well`)
  parseKeyPair(
    readConfigFile(certFile, values.where(cert)),
    readConfigFile(keyFile, values.where(key)),
    `${values.where(cert)}: ${certFile}`,
    `${values.where(key)}: ${keyFile}`,
  )
  return { certFile, keyFile }
}
