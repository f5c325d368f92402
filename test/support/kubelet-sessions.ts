import type { Socket } from 'node:net'
import { SPDYServer, type SPDYStream } from './spdy.js'
import type { WebSocketEnd } from './websocket.js'

/** v4.channel.k8s.io: the channels of a WebSocket; v5.channel.k8s.io has CLOSE more. */
const [STDIN, STDOUT, ERROR, CLOSE] = [0, 1, 3, 255]

/** The client's input, and where output goes. */
interface Session {
  readonly command: readonly string[]
  readonly stdout: (data: Buffer) => void
  /** Ends the session with an exit code. */
  readonly exit: (code: number) => void
}

/** k8s.io/kubernetes/pkg/kubelet/cri/streaming/remotecommand/httpstream.go: a stream for each of the query's, and `error`. */
export function execOverSPDY(socket: Socket, command: readonly string[], query: URLSearchParams): void {
  const streams = new Map<string, SPDYStream>()
  const expected = 1 + ['input', 'output', 'error', 'tty'].filter((name) => query.get(name) === '1').length
  const server = new SPDYServer(socket, (stream) => {
    streams.set(stream.headers['streamtype'] ?? '', stream)
    if (streams.size !== expected) return
    const onInput = run({
      command,
      stdout: (data) => streams.get('stdout')?.write(data),
      exit: (code) => {
        streams.get('stdout')?.end()
        streams.get('stderr')?.end()
        streams.get('error')?.end(JSON.stringify(exitStatus(code)))
        server.end()
      },
    })
    const stdin = streams.get('stdin')
    if (stdin !== undefined) stdin.onData = onInput
  })
}

/** k8s.io/kubernetes/pkg/kubelet/cri/streaming/remotecommand/websocket.go: the first byte of a message is its channel. */
export async function execOverWebSocket(end: WebSocketEnd, command: readonly string[]): Promise<void> {
  const send = (channel: number, data: Buffer): void =>
    end.send(Buffer.concat([Buffer.from([channel]), data]))
  const onInput = run({
    command,
    stdout: (data) => send(STDOUT, data),
    exit: (code) => {
      send(ERROR, Buffer.from(JSON.stringify(exitStatus(code))))
      end.close()
    },
  })
  for (let message = await end.next(); message !== undefined; message = await end.next()) {
    if (message[0] === STDIN && message.length > 1) onInput(message.subarray(1))
    // v5 can end the input by itself; in v4 only the whole session ends.
    if (message[0] === CLOSE && message[1] === STDIN) onInput(undefined)
  }
  end.close()
}

/** k8s.io/kubernetes/pkg/kubelet/cri/streaming/portforward/websocket.go: channel 0 is data, 1 errors; each begins with the port. */
export async function forwardOverWebSocket(end: WebSocketEnd, port: number): Promise<void> {
  for (const channel of [0, 1]) {
    const head = Buffer.from([channel, 0, 0])
    head.writeUInt16LE(port, 1)
    end.send(head)
  }
  for (let message = await end.next(); message !== undefined; message = await end.next()) {
    const data = message.subarray(1).toString().toUpperCase()
    if (message[0] === 0 && data !== '') end.send(Buffer.from(`\0${data}`))
  }
  end.close()
}

/** Answers what arrives with the same in upper case, and ends when the client does. */
export function forwardOverSPDY(socket: Socket): void {
  new SPDYServer(socket, (stream) => {
    if (stream.headers['streamtype'] !== 'data') return stream.end()
    stream.onData = (data) => {
      if (data === undefined) stream.end()
      else stream.write(data.toString().toUpperCase())
    }
  })
}

/** Runs a command; answers what takes its input. */
function run({ command: [name, ...args], stdout, exit }: Session): (data: Buffer | undefined) => void {
  if (name === 'cat') return (data) => (data === undefined ? exit(0) : stdout(data))
  if (name === 'echo') stdout(Buffer.from(`${args.join(' ')}\n`))
  exit(name === 'exit' ? Number(args[0]) : 0)
  return () => undefined
}

/** k8s.io/apimachinery/pkg/util/remotecommand: how v4.channel.k8s.io says how a command ended. */
function exitStatus(code: number): object {
  if (code === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with exit code ${code}`,
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  }
}
