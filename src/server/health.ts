import type { Awaitable } from '../awaitable.js'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'

/** One thing that /livez or /readyz asks. Undefined means that it is well; a string says what is wrong. */
export interface HealthCheck {
  readonly name: string
  check(): Awaitable<string | undefined>
}

/** A page of plain HTTP by path. */
export type Page = (req: IncomingMessage, res: ServerResponse) => Awaitable<void>

/** A plain HTTP listener for the proxy's own health and metrics, off the secure port. GET and HEAD only. */
export class StatusListener {
  readonly #server: Server

  readonly #address: ListenAddress

  constructor(address: ListenAddress, pages: ReadonlyMap<string, Page>) {
    this.#address = address
    this.#server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (req, res) => {
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
    this.#server.listen('fd' in this.#address ? { fd: this.#address.fd } : { ...this.#address })
    await once(this.#server, 'listening')
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

/** An address to bind, or a socket that listens already. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly fd: number }

/**
 * The pages of one endpoint in kube-apiserver's form (k8s.io/apiserver/pkg/server/healthz InstallPathHandler): /NAME
 * is `ok`, or each check on a line with `?verbose` or where one fails, without those that `?exclude=` names; /NAME/CHECK
 * is one check and what is wrong with it.
 */
export function healthPages(
  name: string,
  checks: readonly HealthCheck[],
  log: Pick<Logger, 'warn'>,
): Map<string, Page> {
  const pages = new Map<string, Page>([[`/${name}`, rootPage(name, checks, log)]])
  for (const check of checks) pages.set(`/${name}/${check.name}`, checkPage(check))
  return pages
}

function rootPage(name: string, checks: readonly HealthCheck[], log: Pick<Logger, 'warn'>): Page {
  return async (req, res) => {
    const query = new URL(req.url ?? '', 'http://host').searchParams
    const excluded = new Set(query.getAll('exclude'))
    const results = await Promise.all(
      checks.map(async (check) => ({
        name: check.name,
        problem: excluded.has(check.name) ? undefined : await run(check),
      })),
    )
    const lines: string[] = []
    for (const { name: checkName, problem } of results) {
      if (excluded.delete(checkName)) lines.push(`[+]${checkName} excluded: ok`)
      else if (problem === undefined) lines.push(`[+]${checkName} ok`)
      else {
        // Anybody may ask, so why it failed is in the log, and on the check's own page.
        lines.push(`[-]${checkName} failed: reason withheld`)
        log.warn({ check: checkName, reason: problem }, `${name} check failed`)
      }
    }
    if (excluded.size > 0) {
      const unknown = [...excluded].map((name) => JSON.stringify(name)).join(',')
      lines.push(`warn: some health checks cannot be excluded: no matches for ${unknown}`)
    }
    const healthy = results.every(({ problem }) => problem === undefined)
    if (healthy && !query.has('verbose')) return respond(res, 200, 'ok')
    lines.push(`${name} check ${healthy ? 'passed' : 'failed'}`)
    return respond(res, healthy ? 200 : 500, `${lines.join('\n')}\n`)
  }
}

function checkPage(check: HealthCheck): Page {
  return async (_req, res) => {
    const problem = await run(check)
    if (problem === undefined) respond(res, 200, 'ok')
    else respond(res, 500, `internal server error: ${problem}\n`)
  }
}

async function run(check: HealthCheck): Promise<string | undefined> {
  try {
    return await check.check()
  } catch (err) {
    return err instanceof Error ? err.message : String(err)
  }
}

function respond(res: ServerResponse, code: number, body: string): void {
  res.writeHead(code, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' })
  res.end(body)
}
