import { readFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { ConfigError, errorMessage } from '../errors.js'
import { parseKeyPair, validityProblem } from '../pem.js'
import { fileProblem, readConfigFile } from '../config-files.js'
import type { CertificateKeyPair, Credentials } from './connection.js'

/** How long a file's content is used before it is read again: k8s.io/client-go/transport/token_source.go. */
const TOKEN_PERIOD = 60_000
const TOKEN_LEEWAY = 10_000
/** client-go looks every five minutes (transport/cert_rotation.go) and with each new connection. */
const CERTIFICATE_PERIOD = 60_000
/** What a header value can carry: visible ASCII. */
const TOKEN = /^[\x21-\x7e]+$/

export type Clock = () => number

/** No credentials at all: anonymous. */
export const NO_CREDENTIALS: Credentials = {
  certificateVersion: 0,
  files: [],
  clientCertificate: () => Promise.resolve(undefined),
  authorization: () => Promise.resolve(undefined),
  invalidate: () => {},
  close: () => {},
}

/** An Authorization header that never changes: `token`, or `username` and `password`. */
export function fixedAuthorization(value: string): Credentials {
  return { ...NO_CREDENTIALS, authorization: () => Promise.resolve(value) }
}

/** A client certificate that never changes: client-certificate-data and client-key-data. */
export function fixedCertificate(pair: CertificateKeyPair): Credentials {
  return { ...NO_CREDENTIALS, clientCertificate: () => Promise.resolve(pair) }
}

/** The client certificate of one, the Authorization of the other. */
export function combineCredentials(certificate: Credentials, authorization: Credentials): Credentials {
  return {
    get certificateVersion() {
      return certificate.certificateVersion
    },
    files: certificate === authorization ? certificate.files : [...certificate.files, ...authorization.files],
    clientCertificate: () => certificate.clientCertificate(),
    authorization: () => authorization.authorization(),
    invalidate(refused) {
      certificate.invalidate(refused)
      if (authorization !== certificate) authorization.invalidate(refused)
    },
    close() {
      certificate.close()
      if (authorization !== certificate) authorization.close()
    },
  }
}

/**
 * The token's text without the white space around it.
 *
 * @throws Error that does not quote it, where it is empty or cannot be sent
 */
export function checkToken(text: string): string {
  const token = text.trim()
  if (token === '') throw new Error('the token is empty')
  if (!TOKEN.test(token)) throw new Error('the token has a character that a header cannot carry')
  return token
}

/**
 * A bearer token in a file that somebody rotates (k8s.io/client-go/transport/token_source.go cachingTokenSource): read at
 * most once a minute, and again after a 401. Where reading fails the last token stays in use.
 *
 * @param where what named the file, for messages
 * @throws ConfigError where it cannot be read now
 */
export function tokenFile(file: string, where: string, log: Logger, now: Clock = Date.now): Credentials {
  let token: string
  try {
    token = checkToken(readFileSync(file, 'utf8'))
  } catch (err) {
    throw new ConfigError(`${where}: ${file}: ${fileProblem(err)}`)
  }
  let readAgainAt = now() + TOKEN_PERIOD - TOKEN_LEEWAY
  let reading: Promise<void> | undefined

  const read = async () => {
    try {
      token = checkToken(await readFile(file, 'utf8'))
    } catch (err) {
      log.error({ file }, `${where}: ${file}: ${fileProblem(err)}; the last token stays in use`)
    } finally {
      readAgainAt = now() + TOKEN_PERIOD - TOKEN_LEEWAY
      reading = undefined
    }
  }
  return {
    ...NO_CREDENTIALS,
    files: [file],
    async authorization() {
      if (now() >= readAgainAt) await (reading ??= read())
      return `Bearer ${token}`
    },
    invalidate(refused) {
      if (refused === undefined || refused === `Bearer ${token}`) readAgainAt = 0
    },
  }
}

/** Where one half of a pair is: in a file, or inline. `where` names the field or flag, for messages. */
export type PemSource = { readonly where: string } & ({ readonly file: string } | { readonly pem: string })

/**
 * A client certificate, read again when its files change (k8s.io/client-go/transport/cert_rotation.go), at most once a
 * minute. Where what is read does not fit together the last pair stays in use.
 *
 * @throws ConfigError where it cannot be read now, or the key is another certificate's
 */
export function certificateFiles(
  cert: PemSource,
  key: PemSource,
  log: Logger,
  now: Clock = Date.now,
): Credentials {
  const read = () => {
    const pair = parseKeyPair(pemOf(cert), pemOf(key), describe(cert), describe(key))
    const problem = validityProblem(pair.leaf, now())
    if (problem !== undefined) log.warn(`${describe(cert)}: ${problem}`)
    return { cert: pair.cert, key: pair.key }
  }
  let current: CertificateKeyPair = read()
  if ('pem' in cert && 'pem' in key) return fixedCertificate(current)

  let version = 0
  let readAgainAt = now() + CERTIFICATE_PERIOD
  return {
    ...NO_CREDENTIALS,
    files: [cert, key].flatMap((source) => ('file' in source ? [source.file] : [])),
    get certificateVersion() {
      return version
    },
    clientCertificate() {
      if (now() >= readAgainAt) {
        readAgainAt = now() + CERTIFICATE_PERIOD
        try {
          const pair = read()
          if (pair.cert !== current.cert || pair.key !== current.key) {
            current = pair
            version++
            log.info(`${describe(cert)}: the client certificate was replaced`)
          }
        } catch (err) {
          log.error(`${errorMessage(err)}; the last client certificate stays in use`)
        }
      }
      return Promise.resolve(current)
    },
    invalidate() {
      readAgainAt = 0
    },
  }
}

function pemOf(source: PemSource): string {
  return 'pem' in source ? source.pem : readConfigFile(source.file, source.where)
}

function describe(source: PemSource): string {
  return 'pem' in source ? source.where : `${source.where}: ${source.file}`
}
