import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'
import { systemTimers, type Timer, type Timers } from '../timers.js'

/** Milliseconds between a change and the look at it, so that a certificate and its key, say, are seen together. */
const SETTLE = 100
/** Milliseconds between two looks without a sign of a change: some file systems give none, nor do links to links. */
const POLL = 10_000
/** What Kubernetes replaces when a mounted ConfigMap or Secret changes. */
const MOUNTED_DATA = '..data'

/**
 * Says when files may have changed: shortly after a sign of it, and every ten seconds in any case. Directories are
 * watched rather than files, because files are replaced by other files; of a directory only what concerns the files
 * counts, so that a busy log beside them costs nothing.
 */
export class WatchedFiles {
  readonly #onChange: () => void
  readonly #timers: Timers
  readonly #directories = new Map<string, { readonly watcher: FSWatcher | undefined; names: Set<string> }>()
  #settling: Timer | undefined
  #poll: Timer | undefined

  /** @param onChange called at most once per 100 ms; looks for itself whether anything is different */
  constructor(onChange: () => void, timers: Timers = systemTimers) {
    this.#onChange = onChange
    this.#timers = timers
    this.#schedulePoll()
  }

  /** From now on these files are watched, and no others. `DIR/` stands for all files of a directory. */
  set(files: readonly string[]): void {
    const wanted = new Map<string, Set<string>>()
    for (const file of files) {
      const whole = file.endsWith('/')
      const directory = whole ? file : dirname(file)
      const names = wanted.get(directory) ?? new Set()
      wanted.set(directory, names.add(whole ? ANY : basename(file)))
    }
    for (const [directory, { watcher }] of this.#directories) {
      if (wanted.has(directory)) continue
      watcher?.close()
      this.#directories.delete(directory)
    }
    for (const [directory, names] of wanted) {
      const known = this.#directories.get(directory)
      // A directory that could not be watched may be there by now.
      if (known?.watcher !== undefined) known.names = names
      else this.#directories.set(directory, { watcher: this.#watch(directory), names })
    }
  }

  close(): void {
    this.#settling?.cancel()
    this.#poll?.cancel()
    for (const { watcher } of this.#directories.values()) watcher?.close()
    this.#directories.clear()
  }

  #watch(directory: string): FSWatcher | undefined {
    try {
      const watcher = watch(directory, { persistent: false }, (_event, name) => {
        const names = this.#directories.get(directory)?.names
        if (names === undefined) return
        if (name === null || name === MOUNTED_DATA || names.has(ANY) || names.has(name)) this.#changed()
      })
      // It was removed, say. The poll goes on, and with it comes the next attempt to watch.
      watcher.on('error', () => {
        watcher.close()
        const entry = this.#directories.get(directory)
        if (entry?.watcher === watcher) this.#directories.set(directory, { ...entry, watcher: undefined })
      })
      return watcher
    } catch {
      return undefined
    }
  }

  #changed(): void {
    this.#settling ??= this.#timers.after(SETTLE, () => {
      this.#settling = undefined
      this.#onChange()
    })
  }

  #schedulePoll(): void {
    this.#poll = this.#timers.after(
      POLL,
      () => {
        this.#onChange()
        this.#schedulePoll()
      },
      true,
    )
  }
}

/** Stands for every name in a directory; no file has this name. */
const ANY = '/'
