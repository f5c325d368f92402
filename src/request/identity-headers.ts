/** Which headers assert an identity. Names and prefixes are lower case. */
export interface IdentityHeaderNames {
  readonly username: readonly string[]
  readonly uid: readonly string[]
  readonly group: readonly string[]
  readonly extraPrefix: readonly string[]
}

/** What every apiserver may be told to believe, so that no client may send it. */
const RESERVED_PREFIX = 'x-remote-'

/**
 * The headers of the --requestheader-* flags, and all of X-Remote-*. They are taken out of every request: only a trusted
 * front proxy's are read, and the upstream sees none but the proxy's own.
 */
export class IdentityHeaders {
  readonly #others: ReadonlySet<string>
  readonly #otherPrefixes: readonly string[]

  constructor(readonly names: IdentityHeaderNames) {
    const all = [...names.username, ...names.uid, ...names.group]
    this.#others = new Set(all.filter((name) => !name.startsWith(RESERVED_PREFIX)))
    this.#otherPrefixes = names.extraPrefix.filter((prefix) => !prefix.startsWith(RESERVED_PREFIX))
  }

  /** @param lower a header's name in lower case */
  has(lower: string): boolean {
    if (lower.startsWith(RESERVED_PREFIX)) return true
    if (this.#others.size > 0 && this.#others.has(lower)) return true
    return this.#otherPrefixes.some((prefix) => lower.startsWith(prefix))
  }
}

/** Those that kubeadm configures. */
export const X_REMOTE = new IdentityHeaders({
  username: ['x-remote-user'],
  uid: ['x-remote-uid'],
  group: ['x-remote-group'],
  extraPrefix: ['x-remote-extra-'],
})
