import { createHash } from 'node:crypto'
import { ConfigError } from '../errors.js'
import type { TokenAuthenticator } from './bearer-token.js'
import { parseCSV } from './csv.js'
import type { UserInfo } from '../request/user-info.js'

/** Users by a digest of their token. */
export type TokenTable = ReadonlyMap<string, UserInfo>

/**
 * Reads a --token-auth-file: lines of token, user name, user uid and optionally groups, `"group1,group2"`
 * (k8s.io/apiserver/pkg/authentication/token/tokenfile).
 *
 * @param where flag and file, for messages, which never quote a token
 * @param warn takes what kube-apiserver would warn of
 * @throws ConfigError
 */
export function parseTokenFile(csv: string, where: string, warn: (message: string) => void): TokenTable {
  const table = new Map<string, UserInfo>()
  for (const { line, fields } of parseCSV(csv, where)) {
    const [token = '', username = '', uid = '', groups] = fields
    if (fields.length < 3) {
      throw new ConfigError(
        `${where}: line ${line}: found ${fields.length} columns, expected at least 3 (token, user name, user uid)`,
      )
    }
    if (token === '') {
      warn(`${where}: line ${line}: the token is empty, the line is skipped`)
      continue
    }
    if (username === '') throw new ConfigError(`${where}: line ${line}: the user name is empty`)
    const key = digest(token)
    if (table.has(key))
      warn(`${where}: line ${line}: the token is in an earlier line, which no longer counts`)
    table.set(key, {
      username,
      ...(uid === '' ? {} : { uid }),
      ...(groups === undefined ? {} : { groups: groups.split(',') }),
    })
  }
  return table
}

/** Static tokens. Looking one up takes the same time whatever part of it is right, for only digests are compared. */
export class TokenFileAuthenticator implements TokenAuthenticator {
  #tokens: TokenTable

  constructor(tokens: TokenTable) {
    this.#tokens = tokens
  }

  authenticateToken(token: string): Promise<UserInfo | undefined> {
    return Promise.resolve(this.#tokens.get(digest(token)))
  }

  replace(tokens: TokenTable): void {
    this.#tokens = tokens
  }
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}
