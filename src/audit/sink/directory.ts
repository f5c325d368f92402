import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, errorMessage } from '../../errors.js'
import type { Reloadable } from '../../live/reloadable.js'
import { fileProblem, readConfigFile } from '../../config-files.js'
import { checkNames, parseAuditSink, type AuditSink } from './audit-sink.js'
import type { SinkSet } from './sink-set.js'

const FLAG = 'audit-sink-directory'
const MANIFEST = /^[^.].*\.(ya?ml|json)$/

/**
 * The sinks whose manifests are in a directory, one in a file. A file that cannot be used does not touch the sinks of
 * others, and leaves its own as it was.
 */
export class SinkDirectory implements Reloadable {
  readonly name = FLAG
  readonly #directory: string
  readonly #set: SinkSet
  /** By file. */
  #sinks = new Map<string, AuditSink>()

  /** @throws ConfigError where even one file cannot be used */
  constructor(directory: string, set: SinkSet) {
    this.#directory = directory
    this.#set = set
    this.reload()
  }

  files(): string[] {
    return [`${this.#directory}/`]
  }

  /** @throws ConfigError that names each file that cannot be used; the others are in force */
  reload(): void {
    const sinks = new Map<string, AuditSink>()
    const problems: string[] = []
    for (const file of this.#list()) {
      try {
        sinks.set(file, parseAuditSink(readConfigFile(file, `--${FLAG}`), file))
      } catch (err) {
        problems.push(errorMessage(err))
        const before = this.#sinks.get(file)
        if (before !== undefined) sinks.set(file, before)
      }
    }
    checkNames([...sinks].map(([where, sink]) => ({ where, sink })))
    this.#set.setAll(FLAG, [...sinks.values()])
    this.#sinks = sinks
    if (problems.length > 0) throw new ConfigError(problems.join('; '))
  }

  #list(): string[] {
    try {
      const names = readdirSync(this.#directory).filter((name) => MANIFEST.test(name))
      return names.sort().map((name) => join(this.#directory, name))
    } catch (err) {
      const problem = (err as NodeJS.ErrnoException).code === 'ENOTDIR' ? 'is no directory' : fileProblem(err)
      throw new ConfigError(`--${FLAG}: ${this.#directory}: ${problem}`)
    }
  }
}
