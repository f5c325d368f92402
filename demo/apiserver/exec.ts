import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { serverFrame, WebSocketReader } from '../../src/sessions/websocket-reader.js'
import { StatusError } from './status.js'

const PROTOCOL = 'v5.channel.k8s.io'
const [STDIN, STDOUT, ERROR] = [0, 1, 3]
const PROMPT = '/ # '
/** What its shell knows. */
const COMMANDS: Readonly<Record<string, string>> = {
  'id -un': 'root',
  'ls /data': 'orders.db  password.txt',
  'cat /data/password.txt': 'correct horse',
}

/**
 * A container's shell at a terminal, over a WebSocket: it echoes what is typed and knows three commands and `exit`.
 * @throws StatusError where the client asks for something else
 */
export function serveExec(req: IncomingMessage, socket: Duplex): void {
  const offered = (req.headers['sec-websocket-protocol'] ?? '').split(/\s*,\s*/)
  const key = req.headers['sec-websocket-key'] ?? ''
  if (req.headers.upgrade?.toLowerCase() !== 'websocket' || !offered.includes(PROTOCOL))
    throw StatusError.badRequest(`only WebSockets of ${PROTOCOL} are served`)
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${PROTOCOL}\r\n\r\n`,
  )
  const shell = new Shell((channel, text) => {
    socket.write(serverFrame('binary', Buffer.concat([Buffer.from([channel]), Buffer.from(text)])))
    if (channel === ERROR) socket.end(serverFrame('close', Buffer.from([0x03, 0xe8])))
  })
  let message: Buffer = Buffer.alloc(0)
  const reader = new WebSocketReader(
    { masked: true, fragments: true },
    {
      begin: () => (message = Buffer.alloc(0)),
      piece: (bytes) => (message = Buffer.concat([message, bytes])),
      end: () => {
        if (message[0] === STDIN) shell.typed(message.toString('utf8', 1))
      },
    },
  )
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', (chunk: Buffer) => reader.push(chunk))
}

class Shell {
  #line = ''

  constructor(readonly send: (channel: number, text: string) => void) {
    send(STDOUT, PROMPT)
  }

  typed(text: string): void {
    for (const key of text) {
      if (key === '\r') this.#run()
      else {
        this.#line += key
        this.send(STDOUT, key)
      }
    }
  }

  #run(): void {
    const line = this.#line
    this.#line = ''
    this.send(STDOUT, '\r\n')
    if (line === 'exit') return this.send(ERROR, '{"metadata":{},"status":"Success"}')
    this.send(STDOUT, `${COMMANDS[line] ?? `sh: ${line}: not found`}\r\n${PROMPT}`)
  }
}
