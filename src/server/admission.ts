import type { Socket } from 'node:net'

/** Fields that a request's headers may have: those of 1 MiB, as HTTP/2 reckons (RFC 9113 section 6.5.2). */
export const MAX_HEADER_FIELDS = (1 << 20) / 32
/** What a field is reckoned to cost beyond its bytes, so that the largest request has room. It may be three times as much. */
const FIELD_COST = 96

/** Bytes of memory that headers may come to: of one connection at least so many, and so many for each of its streams. */
const MIN_CONNECTION_BYTES = 4 << 20
const STREAM_BYTES = 40 << 10

/**
 * What each connection may have under way before anybody has authenticated over it, without regard to others: it costs
 * about as much by being open. And what all of them may have beyond that, together.
 */
const STRANGER_REQUESTS = 8
const STRANGER_BYTES = 64 << 10
const STRANGERS_REQUESTS = 400
const STRANGERS_BYTES = 32 << 20
/** Requests that one of those connections may have under way. */
const MAX_STRANGER_REQUESTS = 100

/** Bytes of memory, at most, that headers come to where they are all different. @param raw name, value, name, value, ... */
export function headerCost(raw: readonly string[]): number {
  let bytes = raw.length * (FIELD_COST / 2)
  for (let i = 0; i < raw.length; i++) bytes += (raw[i] as string).length
  return bytes
}

/** What is under way: requests, and the bytes of their headers. */
interface Load {
  requests: number
  bytes: number
}

/** What is under way over one connection. */
interface Connection extends Load {
  /** Whether somebody has authenticated over it. */
  known: boolean
}

/** A request that was let in. */
export interface Admitted {
  /** Somebody has authenticated over its connection. */
  authenticated(): void
  /** Nothing is kept of its headers any more. */
  release(): void
}

/**
 * Lets requests in as far as there is room for their headers, which HTTP/2 makes a thousand times as large as what was
 * sent: per connection, and over all connections whose clients nobody knows yet.
 */
export class Admission {
  readonly #connections = new WeakMap<Socket, Connection>()
  /** What strangers' connections have beyond what is each one's own. */
  readonly #strangers: Load = { requests: 0, bytes: 0 }
  readonly #maxConnectionBytes: number
  readonly #maxStrangers: Load

  /**
   * @param maxStreams that a connection may have at once
   * @param processes that share what strangers may have
   */
  constructor(maxStreams: number, processes: number) {
    this.#maxConnectionBytes = Math.max(MIN_CONNECTION_BYTES, STREAM_BYTES * maxStreams)
    this.#maxStrangers = {
      requests: Math.ceil(STRANGERS_REQUESTS / processes),
      bytes: Math.ceil(STRANGERS_BYTES / processes),
    }
  }

  /** Undefined where there is no room. */
  admit(socket: Socket, rawHeaders: readonly string[]): Admitted | undefined {
    const connection = this.#of(socket)
    const bytes = headerCost(rawHeaders)
    if (connection.bytes + bytes > this.#maxConnectionBytes) return undefined
    if (!connection.known && !this.#hasRoom(connection, bytes)) return undefined
    this.#add(connection, 1, bytes)
    return {
      authenticated: () => this.#authenticated(connection),
      release: () => this.#add(connection, -1, -bytes),
    }
  }

  #of(socket: Socket): Connection {
    let connection = this.#connections.get(socket)
    if (connection === undefined) {
      connection = { requests: 0, bytes: 0, known: false }
      this.#connections.set(socket, connection)
    }
    return connection
  }

  #hasRoom(connection: Connection, bytes: number): boolean {
    const after = shared({ requests: connection.requests + 1, bytes: connection.bytes + bytes })
    if (after.requests === 0 && after.bytes === 0) return true
    const before = shared(connection)
    return (
      connection.requests < MAX_STRANGER_REQUESTS &&
      this.#strangers.requests + after.requests - before.requests <= this.#maxStrangers.requests &&
      this.#strangers.bytes + after.bytes - before.bytes <= this.#maxStrangers.bytes
    )
  }

  #add(connection: Connection, requests: number, bytes: number): void {
    if (!connection.known) this.#share(connection, -1)
    connection.requests += requests
    connection.bytes += bytes
    if (!connection.known) this.#share(connection, 1)
  }

  #authenticated(connection: Connection): void {
    if (connection.known) return
    this.#share(connection, -1)
    connection.known = true
  }

  #share(connection: Connection, sign: 1 | -1): void {
    const { requests, bytes } = shared(connection)
    this.#strangers.requests += sign * requests
    this.#strangers.bytes += sign * bytes
  }
}

/** What of a stranger's connection counts for all of them. */
function shared({ requests, bytes }: Load): Load {
  return {
    requests: Math.max(0, requests - STRANGER_REQUESTS),
    bytes: Math.max(0, bytes - STRANGER_BYTES),
  }
}
