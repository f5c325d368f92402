import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, errorMessage } from './errors.js'

const PREFIX = 'lock.'
/** The name of a socket that does not listen yet. */
const NEW_PREFIX = 'new-lock.'
/** A Unix socket's path has 108 bytes on Linux and 104 elsewhere, its end and our names included. */
const MAX_DIRECTORY_PATH = 70
const ATTEMPTS = 10
const MAX_PAUSE_MS = 50
/** Somebody who accepts a connection and says nothing for so long is busy, or stopped; but it is there. */
const ANSWER_TIMEOUT_MS = 1000

type Owner = 'nobody' | 'starting' | 'holder'

/**
 * Keeps a directory for one process: a Unix socket that listens in it. Unlike a file with a process id in it, it cannot
 * be mistaken after a crash (the kernel closes it, also on SIGKILL) nor across containers that share the directory but
 * neither process ids nor a network.
 *
 * Each process has a socket with a name of its own, which listens before it gets that name. So a socket that refuses
 * connections is dead for good and may be removed by anybody; and of two processes that start together at least one sees
 * the other. Who sees another withdraws, and tries again if the other was only starting as well.
 */
export class DirectoryLock {
  readonly #server: Server
  readonly #directory: string
  readonly #path: string
  readonly #directoryFd: number | undefined
  #isHeld = false

  private constructor(server: Server, directory: string, path: string, directoryFd: number | undefined) {
    this.#server = server
    this.#directory = directory
    this.#path = path
    this.#directoryFd = directoryFd
    server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy())
      socket.end(this.#isHeld ? 'holder' : 'starting', () => socket.destroy())
    })
  }

  /**
   * @param directory one that exists
   * @param flag the flag that names it, for the message
   * @throws ConfigError when another process has it
   */
  static async acquire(directory: string, flag: string): Promise<DirectoryLock> {
    try {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const lock = await DirectoryLock.#listen(directory)
        const other = await lock.#findOther()
        if (other === 'nobody') return lock.#hold()
        await lock.release()
        if (other === 'holder') break
        await sleep(Math.random() * MAX_PAUSE_MS * attempt)
      }
    } catch (err) {
      throw new ConfigError(`${flag}: cannot lock ${directory}: ${errorMessage(err)}`)
    }
    throw new ConfigError(
      `${flag}: ${directory} is in use by another process; each needs a directory of its own`,
    )
  }

  static async #listen(directory: string): Promise<DirectoryLock> {
    const name = randomBytes(6).toString('hex')
    // A path that is too long for a socket is reached through the open directory.
    const isLong = Buffer.byteLength(directory) > MAX_DIRECTORY_PATH
    const directoryFd = isLong ? openSync(directory, 'r') : undefined
    const near = directoryFd === undefined ? directory : `/proc/self/fd/${directoryFd}`
    const server = createServer()
    const lock = new DirectoryLock(server, near, join(near, PREFIX + name), directoryFd)
    try {
      const newPath = join(near, NEW_PREFIX + name)
      await new Promise<void>((resolve, reject) => {
        server.on('error', reject)
        // exclusive: in a cluster worker the socket would otherwise be the primary's.
        server.listen({ path: newPath, exclusive: true }, resolve)
      })
      server.unref()
      renameSync(newPath, lock.#path)
      return lock
    } catch (err) {
      await lock.release()
      throw err
    }
  }

  /** Lets another process have the directory. */
  async release(): Promise<void> {
    rmSync(this.#path, { force: true })
    await new Promise((resolve) => this.#server.close(resolve))
    if (this.#directoryFd !== undefined) closeSync(this.#directoryFd)
  }

  #hold(): this {
    this.#isHeld = true
    for (const name of readdirSync(this.#directory)) {
      if (name.startsWith(NEW_PREFIX)) rmSync(join(this.#directory, name), { force: true })
    }
    return this
  }

  /** Who else has a socket here. Those of the dead are removed. */
  async #findOther(): Promise<Owner> {
    let found: Owner = 'nobody'
    for (const name of readdirSync(this.#directory)) {
      const path = join(this.#directory, name)
      if (!name.startsWith(PREFIX) || path === this.#path) continue
      const owner = await ask(path)
      if (owner === 'nobody') rmSync(path, { force: true })
      else if (found !== 'holder') found = owner
    }
    return found
  }
}

function ask(path: string): Promise<Owner> {
  return new Promise((resolve) => {
    let isThere = false
    let answer = ''
    const socket = connect(path, () => (isThere = true))
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
      answer = 'holder'
      socket.destroy()
    })
    socket.setEncoding('latin1').on('data', (text) => (answer += String(text)))
    socket.on('error', (err: NodeJS.ErrnoException) => {
      // EAGAIN: its queue of connections is full. Anything but a refusal leaves the question open.
      if (err.code !== 'ECONNREFUSED' && err.code !== 'ENOENT') isThere = true
    })
    socket.on('close', () => resolve(!isThere ? 'nobody' : answer === 'holder' ? 'holder' : 'starting'))
  })
}
