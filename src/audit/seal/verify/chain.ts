import { basename } from 'node:path'
import { PublicKey } from '../keys.js'
import { isSignedBy, type SequenceRange, type SignedStatement, type Statement } from '../statement.js'
import { withSequences } from '../chain-head.js'
import { ChainFile, pointOf } from './chain-file.js'
import { count, type Finding } from './report.js'
import type { Located } from './statements.js'

/** The statements of one instance, checked and put in their order. */
export class Chain {
  readonly instance: string
  readonly findings: Finding[] = []
  /** Those that are good, by their sequence. */
  readonly statements: Located[]
  /** By their numbers. */
  readonly files = new Map<number, ChainFile>()
  /** Keys that its statements may be signed with, by their ids. */
  readonly trusted: ReadonlyMap<string, PublicKey>
  readonly #removed: readonly SequenceRange[]

  /** @param keys those that are trusted; keys that they have signed are, too */
  constructor(instance: string, found: readonly Located[], keys: readonly PublicKey[]) {
    this.instance = instance
    this.trusted = trustedKeys(found, keys)
    this.statements = this.#goodOf(found, this.trusted)
    this.#removed = this.statements.reduce<readonly SequenceRange[]>(
      (all, { one }) => (one.statement.removed ?? []).reduce(withSequences, all),
      [],
    )
    this.#findGaps()
    this.#collectFiles()
    this.#tellRemoved()
  }

  get last(): SignedStatement | undefined {
    return this.statements.at(-1)?.one
  }

  statement(sequence: number): SignedStatement | undefined {
    let [low, high] = [0, this.statements.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.statements[middle] as Located).one.statement.sequence < sequence) low = middle + 1
      else high = middle
    }
    const found = this.statements[low]?.one
    return found?.statement.sequence === sequence ? found : undefined
  }

  /** Whether retention has taken a statement. */
  isRemoved(sequence: number): boolean {
    return this.#removed.some(([from, to]) => from <= sequence && sequence <= to)
  }

  /**
   * A statement is good if a trusted key has signed it, or if a good one names its hash: then a trusted key has signed
   * that, too.
   */
  #goodOf(found: readonly Located[], trusted: ReadonlyMap<string, PublicKey>): Located[] {
    const bySequence = new Map<number, Located[]>()
    for (const located of found) {
      const { sequence } = located.one.statement
      const same = bySequence.get(sequence)
      if (same === undefined) bySequence.set(sequence, [located])
      else same.push(located)
    }
    const good: Located[] = []
    let next: Statement | undefined
    for (const sequence of [...bySequence.keys()].sort((a, b) => b - a)) {
      const links = next?.sequence === sequence + 1 ? next.previous : undefined
      let chosen: Located | undefined
      for (const located of bySequence.get(sequence) as Located[]) {
        const { one } = located
        if (one.hash !== links && !isSignedBy(one, trusted)) this.#notGood(located, trusted)
        else if (chosen !== undefined && chosen.one.hash !== one.hash) this.#fork(chosen, located)
        if (one.hash === links || (chosen === undefined && isSignedBy(one, trusted))) chosen = located
      }
      if (chosen === undefined) continue
      good.push(chosen)
      next = chosen.one.statement
    }
    return good.reverse()
  }

  #notGood({ one, seal, lineNumber }: Located, trusted: ReadonlyMap<string, PublicKey>): void {
    const { key } = one.statement
    const where = `${basename(seal)}: line ${lineNumber}`
    this.#problem(
      trusted.has(key) ? 'changed' : 'foreign',
      trusted.has(key)
        ? `${where} is not what was signed`
        : `${where} is signed with the key ${key}, which is none that was given`,
    )
  }

  #fork(a: Located, b: Located): void {
    const places = [a, b].map(({ seal, lineNumber }) => `${basename(seal)}: line ${lineNumber}`).join(' and ')
    const message = `two different statements ${a.one.statement.sequence}: ${places}: the chain was set back and went on`
    this.#problem('changed', message)
  }

  #findGaps(): void {
    let before: SignedStatement | undefined
    for (const { one } of this.statements) {
      const { sequence, previous } = one.statement
      const expected = before === undefined ? 0 : before.statement.sequence + 1
      if (sequence > expected && !this.#allRemoved(expected, sequence - 1)) this.#gap(before, one)
      else if (sequence === expected && before !== undefined && previous !== before.hash)
        this.#problem(
          'changed',
          `statement ${sequence} does not follow the statement ${sequence - 1} that is there`,
          before,
          one,
        )
      before = one
    }
  }

  #allRemoved(from: number, to: number): boolean {
    return this.#removed.some(([first, last]) => first <= from && to <= last)
  }

  #gap(before: SignedStatement | undefined, one: SignedStatement): void {
    const { statement } = one
    const from = before === undefined ? 0 : before.statement.sequence + 1
    const after = before === undefined ? 'the beginning' : `statement ${from - 1} (${before.statement.time})`
    const until = `statement ${statement.sequence} (${statement.time})`
    const lines = statement.total - statement.lines - (before?.statement.total ?? 0)
    const missing = count(statement.sequence - from, 'statement')
    this.#problem(
      'gap',
      `${missing} missing between ${after} and ${until}, about ${count(lines, 'line')}`,
      before,
      one,
    )
  }

  #collectFiles(): void {
    for (const located of this.statements) {
      const { number, type, path } = located.one.statement
      if (type === 'file' || path !== undefined) continue
      let file = this.files.get(number)
      if (file === undefined) this.files.set(number, (file = new ChainFile(this.instance, number)))
      file.add(located)
    }
  }

  #tellRemoved(): void {
    for (const { one } of this.statements) {
      const { type, of, path, time } = one.statement
      if (type === 'removed')
        this.findings.push({
          kind: 'removed',
          problem: false,
          message: `${of ?? path ?? 'a file'} was removed by retention at ${time}`,
          after: pointOf(one.statement),
        })
    }
  }

  #problem(kind: Finding['kind'], message: string, after?: SignedStatement, before?: SignedStatement): void {
    this.findings.push({
      kind,
      problem: true,
      message,
      ...(after !== undefined && { after: pointOf(after.statement) }),
      ...(before !== undefined && { before: pointOf(before.statement) }),
    })
  }
}

/** The keys that were given, and those that one of them has signed, and so on. */
function trustedKeys(found: readonly Located[], keys: readonly PublicKey[]): Map<string, PublicKey> {
  const trusted = new Map(keys.map((key) => [key.id, key]))
  const changes = found
    .map(({ one }) => one)
    .filter(({ statement }) => statement.type === 'key-changed' && statement.newKey !== undefined)
    .sort((a, b) => a.statement.sequence - b.statement.sequence)
  for (const one of changes) {
    if (!isSignedBy(one, trusted)) continue
    const key = PublicKey.fromHex(one.statement.newKey as string)
    trusted.set(key.id, key)
  }
  return trusted
}
