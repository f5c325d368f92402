import type { PublicKey } from './keys.js'
import { sealsBeside } from './load-head.js'
import { digestOf, type FileDigest } from './file-digest.js'
import type { SealChain } from './seal-chain.js'
import type { SequenceRange, Statement } from './statement.js'
import { vouchedRuns } from './vouched-runs.js'

/** A file that is sealed, and the statement that says so. */
interface SealedWhole extends FileDigest {
  readonly sequence: number
}

/**
 * Seals whole files beside the log, such as recordings, in the log's chain. It knows which are sealed: what a rotated log
 * that is removed takes with its seal is said again before.
 */
export class WholeFiles {
  readonly #chain: SealChain
  readonly #mode: () => number
  readonly #load: () => Promise<readonly Statement[]>
  readonly #sealed = new Map<string, SealedWhole>()
  #loaded: Promise<void> | undefined
  #closed = false

  /**
   * @param mode the log's permissions
   * @param load what earlier processes have said of whole files, in its order; asked when it is needed
   */
  constructor(chain: SealChain, mode: () => number, load: () => Promise<readonly Statement[]>) {
    this.#chain = chain
    this.#mode = mode
    this.#load = load
  }

  /** @param path the name that it has in statements */
  async isSealed(path: string): Promise<boolean> {
    await this.#ready()
    return this.#sealed.has(path)
  }

  /**
   * Seals a file that nobody writes to any more. Resolves with whether it is sealed; if not, it is to be tried again.
   * Rejects with the system's error where it cannot be read.
   *
   * @param path the name that it has in statements
   * @param file where it is, compressed or not
   */
  async seal(path: string, file: string): Promise<boolean> {
    // What could not be stored is tried again anyway; more of it would only wait.
    if (!(await this.#chain.flushed())) return false
    const digest = await digestOf(file)
    if (this.#closed) return false
    this.#say(path, digest)
    return this.#chain.flushed()
  }

  /** Retention takes a file. Resolves when that is said, or cannot be said now. */
  async removing(path: string): Promise<void> {
    this.#chain.wholeFile({ type: 'removed', path }, this.#mode(), (statement) => this.#said(statement))
    await this.#chain.flushed()
  }

  /** These statements are about to go: what they say of files that are still kept is said again. */
  async repeat(sequences: readonly SequenceRange[]): Promise<void> {
    await this.#ready()
    for (const [path, { sequence, ...digest }] of this.#sealed)
      if (sequences.some(([from, to]) => from <= sequence && sequence <= to)) this.#say(path, digest)
  }

  /** The chain ends: nothing more is sealed. */
  close(): void {
    this.#closed = true
  }

  #ready(): Promise<void> {
    return (this.#loaded ??= this.#load().then((known) => {
      for (const statement of known) this.#said(statement)
    }))
  }

  #say(path: string, { size, sha256 }: FileDigest): void {
    const said = { type: 'file', path, size, sha256 } as const
    this.#chain.wholeFile(said, this.#mode(), (statement) => this.#said(statement))
  }

  #said({ type, path, size, sha256, sequence }: Statement): void {
    if (path === undefined) return
    if (type === 'removed') this.#sealed.delete(path)
    else if (size !== undefined && sha256 !== undefined) this.#sealed.set(path, { size, sha256, sequence })
  }
}

/**
 * What the seals of a log and of its rotated files say of whole files, in its order. A seal that cannot be read says
 * nothing: then a file is sealed twice, which is harmless.
 */
export async function loadWholeFiles(
  log: string,
  instance: string,
  keys: ReadonlyMap<string, PublicKey>,
): Promise<Statement[]> {
  const found: Statement[] = []
  for (const seal of await sealsBeside(log)) {
    const runs = await vouchedRuns([seal], instance, keys).catch(() => [])
    found.push(...runs.flatMap(({ wholeFiles }) => wholeFiles))
  }
  return found.sort((a, b) => a.sequence - b.sequence)
}
