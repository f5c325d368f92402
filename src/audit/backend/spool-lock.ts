import { randomBytes } from 'node:crypto'
import { closeSync, linkSync, openSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { ConfigError, errorMessage } from '../../errors.js'

const LOCK_FILE = 'lock'
/** A Unix socket's path has 108 bytes on Linux and 104 elsewhere, its end included. */
const MAX_SOCKET_PATH = 103
/** Each round loses to another process that starts at the same moment. */
const ATTEMPTS = 5

/**
 * Keeps a directory for one process: a Unix socket that listens in it. Unlike a file with a process id in it, it cannot
 * be mistaken after a crash (the kernel closes it, also on SIGKILL) nor across containers that share the directory but
 * neither process ids nor a network.
 */
export class DirectoryLock {
  readonly #server: Server
  readonly #directoryFd: number | undefined

  private constructor(server: Server, directoryFd: number | undefined) {
    this.#server = server
    this.#directoryFd = directoryFd
  }

  /**
   * @param directory one that exists
   * @param flag the flag that names it, for the message
   * @throws ConfigError when another process has it
   */
  static async acquire(directory: string, flag: string): Promise<DirectoryLock> {
    const path = join(directory, LOCK_FILE)
    // A path that is too long for a socket is reached through the open directory.
    const long = Buffer.byteLength(path) > MAX_SOCKET_PATH - 32
    const directoryFd = long ? openSync(directory, 'r') : undefined
    const near = directoryFd === undefined ? directory : `/proc/self/fd/${directoryFd}`
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const server = await listen(join(near, LOCK_FILE))
        if (server !== undefined) return new DirectoryLock(server, directoryFd)
        if (await isAlive(join(near, LOCK_FILE))) break
        await removeStale(near)
      }
      throw new ConfigError(
        `${flag}: ${directory} is in use by another process; each needs a directory of its own`,
      )
    } catch (err) {
      if (directoryFd !== undefined) closeSync(directoryFd)
      if (err instanceof ConfigError) throw err
      throw new ConfigError(`${flag}: cannot lock ${directory}: ${errorMessage(err)}`)
    }
  }

  /** Lets another process have the directory. */
  async release(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
    if (this.#directoryFd !== undefined) closeSync(this.#directoryFd)
  }
}

/** Undefined when there is such a file already. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.on('error', (err: NodeJS.ErrnoException) => {
      if (err.code === 'EADDRINUSE') resolve(undefined)
      else reject(err)
    })
    // exclusive: in a cluster worker the socket would otherwise be the primary's.
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      resolve(server)
    })
  })
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // EAGAIN is a queue of connections that is full: somebody is there.
    socket.once('error', (err: NodeJS.ErrnoException) => resolve(err.code === 'EAGAIN'))
  })
}

/**
 * Removes what a dead process left. Another process may do the same at this moment and have its own lock there already:
 * so the file is moved aside, looked at again, and put back if it turns out to be alive.
 */
async function removeStale(directory: string): Promise<void> {
  const path = join(directory, LOCK_FILE)
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(path, aside)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return
    throw err
  }
  try {
    if (await isAlive(aside)) linkSync(aside, path)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
  } finally {
    rmSync(aside, { force: true })
  }
}
