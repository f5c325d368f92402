import { EventEmitter, once } from 'node:events'
import { basename } from 'node:path'
import type { RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import { byAuditID, waitForEvents, type LoggedEvent } from './audit-log.js'
import { castFiles, readCast, type Cast } from './casts.js'
import { sendJSON, StandIn, type StandInOptions } from './stand-in.js'
import { acceptKey, WebSocketEnd } from './websocket.js'

export const EXEC = '/api/v1/namespaces/shop/pods/web/exec?command=sh&stdin=true&stdout=true&stderr=true'

/** Both ends of a session, through the proxy. */
export interface OpenSession {
  readonly client: WebSocketEnd
  readonly server: WebSocketEnd
  readonly auditID: string
}

/** A stand-in apiserver that agrees to every WebSocket, and the proxy, which records, in front of it. */
export class RecordedSessions {
  readonly #arrivals = new EventEmitter<{ upgrade: [IncomingMessage, TLSSocket] }>()
  #last = 0

  private constructor(
    readonly standIn: StandIn,
    readonly directory: string,
  ) {}

  /** @param directory for the recordings; one of the test's own without it */
  static async start(
    t: Test,
    flags: readonly string[] = [],
    { directory = t.testdir(), ...options }: Partial<StandInOptions> & { directory?: string } = {},
  ): Promise<RecordedSessions> {
    const standIn = await StandIn.start({
      upstream: (_req, res) => sendJSON(res, 403, { kind: 'Status', reason: 'Forbidden', code: 403 }),
      ...options,
      flags: [`--session-recording-path=${directory}`, '--metrics-bind-address=127.0.0.1:0', ...flags],
    })
    t.teardown(() => standIn.stop())
    const sessions = new RecordedSessions(standIn, directory)
    standIn.upstream.on('upgrade', (req: IncomingMessage, socket: TLSSocket) => {
      socket.on('error', () => undefined)
      t.teardown(() => socket.destroy())
      sessions.#arrivals.emit('upgrade', req, socket)
    })
    return sessions
  }

  /** Opens one, which the apiserver agrees to. */
  async open(
    options: RequestOptions = {},
    { path = EXEC, protocol = 'v5.channel.k8s.io', auditID = `session-${++this.#last}` } = {},
  ): Promise<OpenSession> {
    const arrived = once(this.#arrivals, 'upgrade') as Promise<[IncomingMessage, TLSSocket]>
    const headers = { 'audit-id': auditID, ...(options.headers as object) }
    const opened = WebSocketEnd.connect(this.standIn, path, [protocol], { ...options, headers })
    const [req, socket] = await arrived
    const accept = acceptKey(req.headers['sec-websocket-key'] ?? '')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
    )
    const client = await opened
    client.socket.on('error', () => undefined)
    return { client, server: new WebSocketEnd(socket, false), auditID }
  }

  /** The recording of a session, whatever its state, relative to the directory. */
  path(auditID: string): string {
    const found = castFiles(this.directory).filter((path) => basename(path).startsWith(`${auditID}.`))
    if (found.length !== 1) throw new Error(`${found.length} recordings of ${auditID}`)
    return found[0] as string
  }

  cast(auditID: string): Cast {
    return readCast(this.directory, this.path(auditID))
  }

  /** The last event of a session, when it is there. */
  async over(auditID: string): Promise<LoggedEvent> {
    return waitForEvents(this.standIn.auditLog, (events) => {
      const last = byAuditID(events).get(auditID)?.at(-1)
      return last?.stage === 'ResponseComplete' ? last : undefined
    })
  }
}

/** A message of a channel. */
export function channel(number: number, data: string): Buffer {
  return Buffer.concat([Buffer.from([number]), Buffer.from(data)])
}
