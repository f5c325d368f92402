import { closeSync, fdatasync, openSync, readSync } from 'node:fs'
import { promisify } from 'node:util'

const datasync = promisify(fdatasync)

/**
 * A log file, open for reading: so that its lines can be brought to the disk, and read again, whatever the file is called
 * by then.
 */
export class OpenLog {
  readonly fd: number
  #finished: Promise<void> | undefined

  /** Throws the system's error. */
  constructor(path: string) {
    this.fd = openSync(path, 'r')
  }

  /** Resolves when what was written to the file is on the disk. */
  sync(): Promise<void> {
    return this.#finished ?? datasync(this.fd)
  }

  /**
   * Nothing more is written to it: it is closed as soon as all is on the disk, so that the space of a file that somebody
   * removes does not wait for anything else. The system speaks once of what it could not write.
   */
  finish(): void {
    this.#finished ??= datasync(this.fd)
      .catch(() => undefined)
      .finally(() => this.close())
  }

  /** Whether the file begins with these bytes. */
  hasAtStart(bytes: Buffer): boolean {
    const found = Buffer.alloc(bytes.length)
    return readSync(this.fd, found, 0, found.length, 0) === found.length && found.equals(bytes)
  }

  /** Nothing else may be asked of it. */
  close(): void {
    closeSync(this.fd)
  }
}
