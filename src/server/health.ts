import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One thing that /livez or /readyz asks. Undefined means that it is well; a string says what is wrong. */
export interface HealthCheck {
  readonly name: string
  check(): string | undefined | Promise<string | undefined>
}

/** A page of plain HTTP by path. */
export type Page = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>

/** A plain HTTP listener for the proxy's own health and metrics, off the secure port. GET and HEAD only. */
export class StatusListener {
  private readonly server: Server

  constructor(
    private readonly address: { host: string; port: number },
    pages: ReadonlyMap<string, Page>,
  ) {
    this.server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (req, res) => {
      const path = (req.url ?? '').split('?', 1)[0] as string
      const page = pages.get(path)
      if (page === undefined) return void res.writeHead(404).end('404 page not found\n')
      if (req.method !== 'GET' && req.method !== 'HEAD')
        return void res.writeHead(405, { Allow: 'GET' }).end()
      Promise.resolve(page(req, res)).catch(() => res.destroy())
    })
  }

  /** Rejects where the address cannot be bound. */
  async listen(): Promise<void> {
    this.server.listen(this.address.port, this.address.host)
    await once(this.server, 'listening')
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }
}

/**
 * A health page in kube-apiserver's form (k8s.io/apiserver/pkg/server/healthz): `ok`, or each check on a line with
 * `?verbose` or where one fails.
 */
export function healthPage(name: string, checks: readonly HealthCheck[]): Page {
  return async (req, res) => {
    const lines: string[] = []
    let healthy = true
    for (const check of checks) {
      const problem = await check.check()
      if (problem !== undefined) healthy = false
      lines.push(problem === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: ${problem}`)
    }
    res.setHeader('Content-Type', 'text/plain; charset=utf-8')
    if (healthy && !/[?&]verbose\b/.test(req.url ?? '')) return void res.end('ok')
    lines.push(`${name} check ${healthy ? 'passed' : 'failed'}`, '')
    res.writeHead(healthy ? 200 : 500).end(lines.join('\n'))
  }
}
