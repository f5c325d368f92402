import { fdatasync } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { errorMessage } from '../../../errors.js'
import type { SegmentWriter } from './spool-segment.js'
import type { Problems } from '../problems.js'

/** A disk that is slow to sync makes this longer, never the queue of syncs. */
const INTERVAL_MS = 100
const fdatasyncAsync = promisify(fdatasync)

/**
 * Forces what was written to the disk, in the background, ten times a second at most. Nobody waits for it: it is for
 * power cuts; the end of the process takes nothing back that was written.
 */
export class SpoolSync {
  readonly #directory: string
  readonly #problems: Problems
  readonly #unsynced = new Set<SegmentWriter>()
  readonly #finished = new Set<SegmentWriter>()
  #directoryUnsynced = false
  #timer: NodeJS.Timeout | undefined
  #syncing: Promise<void> | undefined

  constructor(directory: string, problems: Problems) {
    this.#directory = directory
    this.#problems = problems
  }

  /** Something was appended. */
  wrote(writer: SegmentWriter): void {
    this.#unsynced.add(writer)
    this.#soon()
  }

  /** A segment was made. */
  made(): void {
    this.#directoryUnsynced = true
  }

  /** The writer is used no more: it is closed once it is on the disk. */
  finished(writer: SegmentWriter): void {
    this.#finished.add(writer)
    this.wrote(writer)
  }

  /** Forces out the rest; the writers that are finished are then closed. */
  async close(): Promise<void> {
    await this.#syncing
    clearTimeout(this.#timer)
    await this.#sync()
  }

  #soon(): void {
    if (this.#timer !== undefined || this.#syncing !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#syncing = this.#sync().finally(() => {
        this.#syncing = undefined
        if (this.#unsynced.size > 0) this.#soon()
      })
    }, INTERVAL_MS)
    this.#timer.unref()
  }

  async #sync(): Promise<void> {
    const writers = [...this.#unsynced]
    this.#unsynced.clear()
    try {
      for (const { fd } of writers) await fdatasyncAsync(fd)
      if (this.#directoryUnsynced) await syncDirectory(this.#directory)
      this.#directoryUnsynced = false
    } catch (err) {
      this.#problems.trouble('spool not forced to the disk', errorMessage(err))
    }
    for (const writer of writers) {
      // One that was finished while it was being synced comes again.
      if (this.#unsynced.has(writer) || !this.#finished.delete(writer)) continue
      writer.close()
    }
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
