import { existsSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { digestOf, type FileDigest } from '../file-digest.js'
import type { Statement } from '../statement.js'
import type { Chain } from './chain.js'
import { pointOf } from './chain-file.js'
import type { FileReport, Finding } from './report.js'

/** What the name of a file has at its end while it is being written. */
const IN_PROGRESS = '.part'
const GZIP = '.gz'
/** How long a finished file may have to wait for its statement, in milliseconds. */
const SEALED_AFTER = 60_000

/** What chains say of whole files. */
class Sealed {
  readonly #byPath = new Map<string, { readonly chain: Chain; readonly statement: Statement }>()
  readonly #bySum = new Map<string, string>()
  readonly #byName = new Map<string, string>()
  readonly #removed = new Set<string>()

  constructor(chains: readonly Chain[]) {
    for (const chain of chains) {
      for (const { one } of chain.statements) {
        const { type, path, sha256 } = one.statement
        if (path === undefined) continue
        if (type === 'removed') this.#removed.add(path)
        // What was said first counts: what is said again is the same, or was sealed after somebody had changed it.
        if (type !== 'file' || sha256 === undefined || this.#byPath.has(path)) continue
        this.#byPath.set(path, { chain, statement: one.statement })
        this.#bySum.set(sha256, path)
        this.#byName.set(basename(path), path)
      }
    }
  }

  /** The path that a file has in statements: by its place, by its name alone, or by what it holds. */
  pathOf(file: string, sha256: string): string | undefined {
    const parts = resolve(file).replace(/\.gz$/, '').split('/')
    for (let i = 1; i < parts.length; i++) {
      const path = parts.slice(i).join('/')
      if (this.#byPath.has(path)) return path
    }
    return this.#byName.get(parts.at(-1) ?? '') ?? this.#bySum.get(sha256)
  }

  statement(path: string): Statement {
    return (this.#byPath.get(path) as { statement: Statement }).statement
  }

  /** Those that should be there. */
  get kept(): string[] {
    return [...this.#byPath.keys()].filter((path) => !this.#removed.has(path))
  }
}

/**
 * Compares files with the statements that are about whole files, by their SHA-256.
 * @param all whether all such files were handed over, so that others are missing
 */
export async function checkWholeFiles(
  files: readonly string[],
  all: boolean,
  chains: readonly Chain[],
  onRead: (bytes: number) => void,
): Promise<FileReport[]> {
  const sealed = new Sealed(chains)
  const seen = new Set<string>()
  const reports: FileReport[] = []
  for (const file of files) {
    if (file.endsWith(IN_PROGRESS)) {
      const message = 'in progress: it is sealed when it is finished'
      const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
      const findings: Finding[] = [{ kind: 'unsealed', problem: false, message }]
      reports.push({ path: file, sealedLines: 0, size, findings })
      continue
    }
    const { size, sha256 } = await digestOf(placeOf(file), onRead).catch(damaged)
    const path = sealed.pathOf(file, sha256)
    if (path === undefined) {
      reports.push({ path: file, sealedLines: 0, size, findings: [unknown(file, chains)] })
      continue
    }
    seen.add(path)
    const statement = sealed.statement(path)
    const { instance, number, time } = statement
    if (statement.sha256 === sha256) {
      reports.push({ path: file, instance, number, from: time, to: time, sealedLines: 0, size, findings: [] })
    } else {
      const message = `it is not what was sealed at ${time}`
      const finding: Finding = { kind: 'changed', problem: true, message, before: pointOf(statement) }
      reports.push({ path: file, sealedLines: 0, size, findings: [finding] })
    }
  }
  const absent = sealed.kept.filter((path) => !seen.has(path))
  if (all) return [...reports, ...absent.map((path) => missing(path, sealed.statement(path)))]
  return reports
}

/** Where a file is by now, which may have been compressed meanwhile. */
function placeOf(file: string): string {
  return existsSync(file) || !existsSync(file + GZIP) ? file : file + GZIP
}

/** What a file has that was compressed, and is not what it was: nothing that was ever sealed. */
function damaged(err: NodeJS.ErrnoException): FileDigest {
  if (err.code?.startsWith('Z_') !== true) throw err
  return { size: 0, sha256: '' }
}

/** A file of which nothing is said: while the proxy runs, one that was just finished may have no statement yet. */
function unknown(file: string, chains: readonly Chain[]): Finding {
  const { mtimeMs } = statSync(placeOf(file))
  const isNew = chains.some(({ last }) => {
    if (last === undefined || last.statement.type === 'closed') return false
    return mtimeMs > Date.parse(last.statement.time) - SEALED_AFTER
  })
  if (!isNew) return { kind: 'foreign', problem: true, message: 'no seal speaks of it' }
  return {
    kind: 'unsealed',
    problem: false,
    message: 'no statement speaks of it yet; nothing is proven of it',
  }
}

function missing(path: string, statement: Statement): FileReport {
  const message = `it was sealed at ${statement.time}, and is not there`
  const finding: Finding = { kind: 'missing', problem: true, message, before: pointOf(statement) }
  return { path, sealedLines: 0, findings: [finding] }
}
