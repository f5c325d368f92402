import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A Unix socket's path has 108 bytes on Linux and 104 elsewhere, its end and our names included. */
const MAX_DIRECTORY_PATH = 60
const ATTEMPTS = 10
const MAX_PAUSE_MS = 50
/** Somebody who accepts a connection and says nothing for so long is busy, or stopped; but it is there. */
const ANSWER_TIMEOUT_MS = 1000

/** What stands before the random part of a socket's name that does not listen yet. */
const NEW = '-new.'

interface Place {
  readonly directory: string
  readonly name: string
  readonly path: string
  readonly directoryFd: number | undefined
}

type Owner = 'nobody' | 'starting' | 'holder'

/**
 * Keeps something for one process: a Unix socket that listens in a directory. Unlike a file with a process id in it, it cannot
 * be mistaken after a crash (the kernel closes it, also on SIGKILL) nor across containers that share the directory but
 * neither process ids nor a network.
 *
 * Each process has a socket with a name of its own, which listens before it gets that name. So a socket that refuses
 * connections is dead for good and may be removed by anybody; and of two processes that start together at least one sees
 * the other. Who sees another withdraws, and tries again if the other was only starting as well.
 */
export class SocketLock {
  readonly #server: Server
  readonly #directory: string
  readonly #name: string
  readonly #path: string
  readonly #directoryFd: number | undefined
  #isHeld = false

  private constructor(server: Server, { directory, name, path, directoryFd }: Place) {
    this.#server = server
    this.#directory = directory
    this.#name = name
    this.#path = path
    this.#directoryFd = directoryFd
    server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy())
      socket.end(this.#isHeld ? 'holder' : 'starting', () => socket.destroy())
    })
  }

  /**
   * @param directory one that exists
   * @param name of what is kept, of 20 bytes at most: what the sockets' names begin with
   * @returns undefined when another process has it
   * @throws NodeJS.ErrnoException when nobody can have a socket there
   */
  static async acquire(directory: string, name: string): Promise<SocketLock | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const lock = await SocketLock.#listen(directory, name)
      const other = await lock.#findOther()
      if (other === 'nobody') return lock.#hold()
      await lock.release()
      if (other === 'holder') return undefined
      await sleep(Math.random() * MAX_PAUSE_MS * attempt)
    }
    return undefined
  }

  static async #listen(directory: string, name: string): Promise<SocketLock> {
    const own = randomBytes(6).toString('hex')
    // A path that is too long for a socket is reached through the open directory.
    const isLong = Buffer.byteLength(directory) > MAX_DIRECTORY_PATH
    const directoryFd = isLong ? openSync(directory, 'r') : undefined
    const near = directoryFd === undefined ? directory : `/proc/self/fd/${directoryFd}`
    const server = createServer()
    const path = join(near, `${name}.${own}`)
    const lock = new SocketLock(server, { directory: near, name, path, directoryFd })
    try {
      const newPath = join(near, `${name}${NEW}${own}`)
      await new Promise<void>((resolve, reject) => {
        server.on('error', reject)
        // exclusive: in a cluster worker the socket would otherwise be the primary's.
        server.listen({ path: newPath, exclusive: true }, resolve)
      })
      server.unref()
      renameSync(newPath, path)
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
      if (name.startsWith(this.#name + NEW)) rmSync(join(this.#directory, name), { force: true })
    }
    return this
  }

  /** Who else has a socket here. Those of the dead are removed. */
  async #findOther(): Promise<Owner> {
    let found: Owner = 'nobody'
    for (const name of readdirSync(this.#directory)) {
      const path = join(this.#directory, name)
      if (!name.startsWith(`${this.#name}.`) || path === this.#path) continue
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
