import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestCluster } from './cluster.js'
import { SPDYServer, type SPDYStream } from './spdy.js'
import { acceptKey, WebSocketEnd } from './websocket.js'

/** v4.channel.k8s.io: the channels of a WebSocket. */
const [STDIN, STDOUT, ERROR] = [0, 1, 3]

/** The client's input, and where output goes. */
interface Session {
  readonly command: readonly string[]
  readonly stdout: (data: Buffer) => void
  /** Ends the session with an exit code. */
  readonly exit: (code: number) => void
}

/**
 * A stand-in kubelet: serves the paths to which kube-apiserver forwards exec, attach, port-forward and logs. Its
 * containers know three commands: `echo WORDS`, `cat` and `exit CODE`.
 */
export class StandInKubelet {
  readonly sockets = new Set<Socket>()
  /** Followed logs that are open, each to be written by the test. */
  readonly logs = new EventEmitter<{ follow: [ServerResponse] }>()

  private constructor(private readonly server: Server) {
    server.on('request', (req: IncomingMessage, res: ServerResponse) => this.request(req, res))
    server.on('upgrade', (req: IncomingMessage, socket: Socket) => this.upgrade(req, socket))
    server.on('secureConnection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  /** Starts it, and makes a node `node` and a running pod `web` in `namespace`, whose kubelet it is. */
  static async start(cluster: TestCluster, namespace: string): Promise<StandInKubelet> {
    const { cert, key } = cluster.pki.issue(cluster.ca, { name: 'kubelet', cn: 'node', ip: ['127.0.0.1'] })
    const server = createServer({ cert, key })
    const kubelet = new StandInKubelet(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await create(cluster, '/api/v1/namespaces', { metadata: { name: namespace } })
    await create(
      cluster,
      '/api/v1/nodes',
      { metadata: { name: 'node' } },
      {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    )
    await create(
      cluster,
      `/api/v1/namespaces/${namespace}/pods`,
      {
        metadata: { name: 'web' },
        spec: { nodeName: 'node', containers: [{ name: 'c', image: 'i', stdin: true }] },
      },
      { phase: 'Running' },
    )
    return kubelet
  }

  async stop(): Promise<void> {
    const closed = once(this.server.close(), 'close')
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  private request(req: IncomingMessage, res: ServerResponse): void {
    if (!(req.url ?? '').startsWith('/containerLogs/')) return void res.writeHead(404).end()
    res.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
    this.logs.emit('follow', res)
  }

  private upgrade(req: IncomingMessage, socket: Socket): void {
    const url = new URL(req.url ?? '', 'https://kubelet')
    const agree = (...headers: string[]): void => {
      const upgrade = ['Connection: Upgrade', `Upgrade: ${req.headers.upgrade}`]
      socket.write(`${['HTTP/1.1 101 Switching Protocols', ...upgrade, ...headers].join('\r\n')}\r\n\r\n`)
    }
    const command = url.pathname.startsWith('/attach/') ? ['cat'] : url.searchParams.getAll('command')
    if (req.headers.upgrade?.toLowerCase() === 'websocket') {
      agree(
        `Sec-WebSocket-Accept: ${acceptKey(req.headers['sec-websocket-key'] ?? '')}`,
        'Sec-WebSocket-Protocol: v4.channel.k8s.io',
      )
      void overWebSocket(new WebSocketEnd(socket, false), command)
    } else if (url.pathname.startsWith('/portForward/')) {
      agree('X-Stream-Protocol-Version: portforward.k8s.io')
      new SPDYServer(socket, portForward)
    } else {
      agree('X-Stream-Protocol-Version: v4.channel.k8s.io')
      overSPDY(socket, command, url.searchParams)
    }
  }
}

/** k8s.io/kubernetes/pkg/kubelet/cri/streaming/remotecommand/httpstream.go: a stream for each of the query's, and `error`. */
function overSPDY(socket: Socket, command: readonly string[], query: URLSearchParams): void {
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

async function overWebSocket(end: WebSocketEnd, command: readonly string[]): Promise<void> {
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
    if (message[0] === STDIN) onInput(message.subarray(1))
  }
}

/** Runs a command; answers what takes its input. */
function run({ command: [name, ...args], stdout, exit }: Session): (data: Buffer | undefined) => void {
  if (name === 'cat') return (data) => (data === undefined ? exit(0) : stdout(data))
  if (name === 'echo') stdout(Buffer.from(`${args.join(' ')}\n`))
  exit(name === 'exit' ? Number(args[0]) : 0)
  return () => undefined
}

/** Answers what arrives with the same in upper case, and ends when the client does. */
function portForward(stream: SPDYStream): void {
  if (stream.headers['streamtype'] !== 'data') return stream.end()
  stream.onData = (data) => {
    if (data === undefined) stream.end()
    else stream.write(data.toString().toUpperCase())
  }
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

/** Creates an object, and then its status where that is given. */
async function create(cluster: TestCluster, path: string, object: object, status?: object): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const made = await cluster.request(path, { method: 'POST', headers, body: JSON.stringify(object) })
  if (made.status !== 201) throw new Error(made.body.toString())
  if (status === undefined) return
  const { name } = (object as { metadata: { name: string } }).metadata
  const patched = await cluster.request(`${path}/${name}/status`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify({ status }),
  })
  if (patched.status !== 200) throw new Error(patched.body.toString())
}
