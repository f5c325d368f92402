import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { ServeRequest } from '../request/inbound.js'
import { headerCost } from './admission.js'
import { badRequest, headersTooLarge, statusBody } from './status-error.js'
import { UpgradeResponse } from './upgrade.js'

/** Requests of a connection that may wait for the one before them to be answered, and bytes of their headers. */
const MAX_WAITING = 100
const MAX_WAITING_BYTES = 1 << 20
/**
 * Milliseconds in which a client that is still sending may read why it was refused: a connection that is closed before all of
 * it is read is reset, and what was answered is lost. As net/http's rstAvoidanceDelay, but twice as long.
 */
const READ_REFUSAL = 1000

/** What is known of a connection. */
interface Connection {
  /** The response that is under way. */
  current: ServerResponse | undefined
  /** Requests that came before it was over, in order. */
  waiting: [IncomingMessage, ServerResponse][]
  waitingBytes: number
  /** Nothing more that comes over it is a request. */
  over: boolean
}

/**
 * The HTTP/1.1 side of the secure port. On each connection one request is served at a time, as net/http serves them:
 * node:http would begin all that a client sends without waiting, and each would take a connection upstream.
 */
export class Http1Connections {
  readonly #connections = new WeakMap<Socket, Connection>()

  readonly #serveRequest: ServeRequest

  constructor(serveRequest: ServeRequest) {
    this.#serveRequest = serveRequest
  }

  /** Takes what this server makes of its connections. */
  attach(server: Server): void {
    server.on('request', this.#onRequest)
    server.on('upgrade', this.#onUpgrade)
    server.on('clientError', this.#onClientError)
  }

  #of(socket: Socket): Connection {
    let connection = this.#connections.get(socket)
    if (connection === undefined) {
      connection = { current: undefined, waiting: [], waitingBytes: 0, over: false }
      this.#connections.set(socket, connection)
    }
    return connection
  }

  readonly #onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req
    const connection = this.#of(socket)
    if (connection.over) return
    if (connection.current === undefined) return this.#serve(connection, req, res)
    connection.waitingBytes += headerCost(req.rawHeaders)
    if (connection.waiting.push([req, res]) <= MAX_WAITING && connection.waitingBytes <= MAX_WAITING_BYTES)
      return
    connection.over = true
    connection.waiting = []
    socket.destroy()
  }

  #serve(connection: Connection, req: IncomingMessage, res: ServerResponse): void {
    connection.current = res
    res.once('close', () => {
      connection.current = undefined
      // It may have been the last.
      if (!req.socket.writable) connection.waiting = []
      const next = connection.waiting.shift()
      if (next === undefined) return
      connection.waitingBytes -= headerCost(next[0].rawHeaders)
      this.#serve(connection, ...next)
    })
    // Not passed on as it is: node:http would hand over more than these two.
    this.#serveRequest(req, res)
  }

  readonly #onUpgrade = (req: IncomingMessage, socket: Socket, head: Buffer): void => {
    const connection = this.#of(socket)
    const { current } = connection
    if (current === undefined) {
      connection.over = true
      const response = new UpgradeResponse(req, socket, head)
      this.#serveRequest(req, response, response)
      return
    }
    // node:http takes all of its own listeners away from a connection that is to be upgraded.
    socket.on('error', ignore)
    socket.on('drain', () => current.emit('drain'))
    socket.on('end', () => socket.destroy())
    socket.resume()
    endAfter(current, connection, socket)
  }

  readonly #onClientError = (err: NodeJS.ErrnoException, socket: Socket): void => {
    const connection = this.#of(socket)
    if (err.code === 'ECONNRESET') return void socket.destroy()
    // What else it brings is no request either: it is read and forgotten.
    if (connection.over) return
    if (connection.current !== undefined) breakOff(connection.current, connection, socket)
    else refuse(err, connection, socket)
  }
}

/** The response that is under way is the connection's last: what came behind it is not answered. */
function endAfter(current: ServerResponse, connection: Connection, socket: Socket): void {
  connection.over = true
  connection.waiting = []
  if (!current.headersSent) current.shouldKeepAlive = false
  current.once('close', () => socket.destroySoon())
}

/**
 * A client has sent what is no HTTP while it has an answer to come. Where that was in the body of its request, the request
 * is told, and is answered as kube-apiserver answers it.
 */
function breakOff(current: ServerResponse, connection: Connection, socket: Socket): void {
  const { req, headersSent } = current
  // What would stand in the middle of an answer would be part of it to whoever reads it.
  if (headersSent && !req.complete) return void socket.destroy()
  endAfter(current, connection, socket)
  if (req.complete || req.aborted) return
  req.aborted = true
  req.emit('aborted')
}

/** Answers what is no request, and closes the connection when the client has had time to read that. */
function refuse(err: NodeJS.ErrnoException, connection: Connection, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  connection.over = true
  socket.end(refusal(err))
  const timer = setTimeout(() => socket.destroy(), READ_REFUSAL)
  socket.once('close', () => clearTimeout(timer))
}

/** What does not parse as a request gets a Status all the same. */
function refusal(err: NodeJS.ErrnoException): string {
  const [line, error] =
    err.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', headersTooLarge()]
      : err.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [
            '408 Request Timeout',
            { code: 408, reason: 'Timeout', message: 'the request headers did not arrive in time' },
          ]
        : ['400 Bad Request', badRequest('the request is not well-formed HTTP')]
  const body = statusBody(error)
  return (
    `HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

function ignore(): void {
  // 'close' follows.
}
