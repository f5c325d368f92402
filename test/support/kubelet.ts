import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestCluster } from './cluster.js'
import { execOverSPDY, execOverWebSocket, forwardOverSPDY, forwardOverWebSocket } from './kubelet-sessions.js'
import { addRunningPod } from './node.js'
import { acceptKey, WebSocketEnd } from './websocket.js'

const V4 = 'v4.channel.k8s.io'

/**
 * A stand-in kubelet: serves the paths to which kube-apiserver forwards exec, attach, port-forward and logs, over SPDY/3.1
 * and over WebSockets. Its containers know three commands: `echo WORDS`, `cat` and `exit CODE`.
 */
export class StandInKubelet {
  /** The WebSocket protocols of exec and attach that it speaks, best first. Kubernetes 1.30 brought v5. */
  channelProtocols = ['v5.channel.k8s.io', V4]
  readonly sockets = new Set<Socket>()
  /** What each session of exec, attach and port-forward speaks, oldest first: SPDY/3.1, or the protocol of its WebSocket. */
  readonly protocols: string[] = []
  /** Followed logs that are open, each to be written by the test. */
  readonly logs = new EventEmitter<{ follow: [ServerResponse] }>()

  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    server.on('request', (req: IncomingMessage, res: ServerResponse) => this.#request(req, res))
    server.on('upgrade', (req: IncomingMessage, socket: Socket) => this.#upgrade(req, socket))
    server.on('secureConnection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  /**
   * Starts it, and makes a node `node` and a running pod `web` in `namespace`, whose kubelet it is.
   * @param declaredFeatures what the node says that its kubelet can
   */
  static async start(
    cluster: TestCluster,
    namespace: string,
    declaredFeatures: readonly string[] = [],
  ): Promise<StandInKubelet> {
    const { cert, key } = cluster.pki.issue(cluster.ca, { name: 'kubelet', cn: 'node', ip: ['127.0.0.1'] })
    const server = createServer({ cert, key })
    const kubelet = new StandInKubelet(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await addRunningPod(cluster, { namespace, pod: 'web', node: 'node', port, declaredFeatures })
    return kubelet
  }

  async stop(): Promise<void> {
    const closed = once(this.#server.close(), 'close')
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  #request(req: IncomingMessage, res: ServerResponse): void {
    if (!(req.url ?? '').startsWith('/containerLogs/')) return void res.writeHead(404).end()
    res.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
    this.logs.emit('follow', res)
  }

  #upgrade(req: IncomingMessage, socket: Socket): void {
    const url = new URL(req.url ?? '', 'https://kubelet')
    const agree = (...headers: string[]): void => {
      const upgrade = ['Connection: Upgrade', `Upgrade: ${req.headers.upgrade}`]
      socket.write(`${['HTTP/1.1 101 Switching Protocols', ...upgrade, ...headers].join('\r\n')}\r\n\r\n`)
    }
    const command = url.pathname.startsWith('/attach/') ? ['cat'] : url.searchParams.getAll('command')
    const forwards = url.pathname.startsWith('/portForward/')
    if (req.headers.upgrade?.toLowerCase() === 'websocket') {
      const offered = (req.headers['sec-websocket-protocol'] ?? '').split(/\s*,\s*/)
      const protocol = (forwards ? [V4] : this.channelProtocols).find((known) => offered.includes(known))
      if (protocol === undefined) {
        socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
        return
      }
      agree(
        `Sec-WebSocket-Accept: ${acceptKey(req.headers['sec-websocket-key'] ?? '')}`,
        `Sec-WebSocket-Protocol: ${protocol}`,
      )
      this.protocols.push(protocol)
      const end = new WebSocketEnd(socket, false, protocol)
      if (forwards) void forwardOverWebSocket(end, Number(url.searchParams.get('port')))
      else void execOverWebSocket(end, command)
    } else if (forwards) {
      agree('X-Stream-Protocol-Version: portforward.k8s.io')
      this.protocols.push('SPDY/3.1')
      forwardOverSPDY(socket)
    } else {
      agree('X-Stream-Protocol-Version: v4.channel.k8s.io')
      this.protocols.push('SPDY/3.1')
      execOverSPDY(socket, command, url.searchParams)
    }
  }
}
