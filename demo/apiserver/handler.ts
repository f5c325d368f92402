import { randomUUID } from 'node:crypto'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { impersonate, type Authenticator } from './authentication.js'
import type { Authorizer } from './authorization.js'
import { mediaType, type BodyReader } from './body.js'
import { discoveryDocument, openapiDocument } from './discovery.js'
import type { ApiObject } from './api-object.js'
import { serveExec } from './exec.js'
import type { Json } from './json.js'
import { RESOURCE_TYPES } from './resources.js'
import { answerReview, REVIEWS } from './reviews.js'
import { parseFieldSelector, parseLabelSelector, type Selector } from './selectors.js'
import { StatusError } from './status.js'
import { APPLY_PATCH, applyPatch, PATCH_TYPES, Storage } from './storage.js'
import type { Store } from './store.js'
import { podLog, scaleOf, withScale } from './subresources.js'
import { JSON_TYPE, negotiateShape, shapeList, shapeObject, type IncludeObject } from './table.js'
import { parseTarget, type Target } from './target.js'
import { DEFAULT_WATCH_SECONDS, serveWatch } from './watch.js'

const HEALTH_PATHS = ['/healthz', '/livez', '/readyz']

type ResourceTarget = Exclude<Target, { path: string }>

/** One request on its way: what was asked, and where the answer goes. */
interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly query: URLSearchParams
}

/** Answers requests as kube-apiserver does: who is it, what for, may they, then the verb. */
export class Handler {
  constructor(
    readonly store: Store,
    readonly authenticator: Authenticator,
    readonly authorizer: Authorizer,
    readonly bodies: BodyReader,
  ) {}

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    res.setHeader('audit-id', req.headersDistinct['audit-id']?.[0] ?? randomUUID())
    try {
      await this.#serve(req, res)
    } catch (err) {
      sendError(res, err)
    }
  }

  /** A request that asks for an upgrade: an exec in a pod, or what is refused. */
  upgrade(req: IncomingMessage, socket: Duplex): void {
    const res = new ServerResponse(req)
    res.assignSocket(socket as Socket)
    res.shouldKeepAlive = false
    res.on('finish', () => socket.end())
    try {
      const [path = '', query = ''] = (req.url ?? '').split('?')
      const target = parseTarget(req.method ?? '', path, new URLSearchParams(query))
      const user = impersonate(req, this.authenticator.authenticate(req), this.authorizer)
      this.authorizer.check(user, target)
      if ('path' in target || target.resource !== 'pods' || target.subresource !== 'exec')
        throw StatusError.noSuchPath()
      res.detachSocket(socket as Socket)
      serveExec(req, socket)
    } catch (err) {
      if (res.socket === null) res.assignSocket(socket as Socket)
      sendError(res, err)
    }
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '', ...queryParts] = (req.url ?? '').split('?')
    const query = new URLSearchParams(queryParts.join('?'))
    const target = parseTarget(req.method ?? '', path, query)
    const caller = this.authenticator.authenticate(req)
    const user = impersonate(req, caller, this.authorizer)
    this.authorizer.check(user, target)

    const exchange = { req, res, query }
    if ('path' in target) return servePath(exchange, target.path)
    const review = REVIEWS.find((r) => r.group === target.group && r.resource === target.resource)
    if (review === undefined) return this.#serveResource(exchange, target)
    if (target.version !== 'v1') throw StatusError.noSuchPath()
    if (target.verb !== 'create') throw StatusError.methodNotAllowed()
    const { authorizer, authenticator } = this
    const userOfToken = (token: string) => authenticator.userOfToken(token)
    const body = await this.bodies.read(req)
    sendJson(res, 201, answerReview(review, body, { user, authorizer, userOfToken }))
  }

  async #serveResource(exchange: Exchange, target: ResourceTarget): Promise<void> {
    const { req, res, query } = exchange
    const { group, version, resource, name, subresource } = target
    const type = RESOURCE_TYPES.find(
      (t) => t.group === group && t.version === version && t.resource === resource,
    )
    if (type === undefined) throw StatusError.noSuchPath()
    if (type.namespaced && target.namespace === '' && !['list', 'watch'].includes(target.verb)) {
      throw name === '' ? StatusError.methodNotAllowed() : StatusError.noSuchPath()
    }
    const storage = new Storage(type, this.store)
    const namespace = type.namespaced ? target.namespace : ''
    if (subresource === 'scale' && type.subresources.includes('scale')) {
      return this.#serveScale(exchange, target, storage)
    }
    if (subresource === 'log' && type.subresources.includes('log')) return serveLog(exchange, target, storage)
    if (subresource !== '') throw StatusError.noSuchPath()

    const shape = negotiateShape(req.headers.accept)
    if (shape === undefined) throw StatusError.notAcceptable([JSON_TYPE])
    const include = includeObject(query)
    const send = (code: number, object: ApiObject) =>
      sendJson(res, code, shapeObject(type, object, shape, include))
    const sendList = (objects: ApiObject[]) =>
      sendJson(res, 200, shapeList(type, objects, String(this.store.resourceVersion), shape, include))

    const key = { namespace, name }
    switch (target.verb) {
      case 'get':
        return send(200, storage.get(key))
      case 'list':
        if (query.get('continue'))
          throw StatusError.badRequest('continue key is not valid: no list was cut short')
        return sendList(storage.list(namespace, selectorOf(query)))
      case 'watch':
        if (query.has('sendInitialEvents')) {
          const why =
            'Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled'
          throw StatusError.invalid('meta.k8s.io', 'ListOptions', '', 'sendInitialEvents', why)
        }
        return serveWatch(res, this.store, {
          type,
          namespace,
          selector: selectorOf(query),
          resourceVersion: query.get('resourceVersion') ?? '',
          timeoutSeconds: timeoutOf(query),
          shape: (object, first) => shapeObject(type, object, shape, include, first),
        })
      case 'create':
        // A name is in the path only where a subresource is created.
        if (name !== '') throw StatusError.methodNotAllowed()
        return send(201, storage.create(namespace, await this.bodies.require(req), isDryRun(query)))
      case 'update':
        if (name === '') throw StatusError.methodNotAllowed()
        return send(200, storage.update(key, await this.bodies.require(req), isDryRun(query)))
      case 'patch': {
        if (name === '') throw StatusError.methodNotAllowed()
        const contentType = mediaType(req.headers['content-type'])
        const patch = await this.bodies.require(req, PATCH_TYPES)
        if (contentType === APPLY_PATCH && !query.get('fieldManager')) {
          const why = 'Required value: is required for apply patch'
          throw StatusError.invalid('meta.k8s.io', 'PatchOptions', '', 'fieldManager', why)
        }
        const { object, created } = storage.patch(key, contentType, patch, isDryRun(query))
        return send(created ? 201 : 200, object)
      }
      case 'delete':
        return sendJson(res, 200, storage.delete(key, await this.bodies.read(req), isDryRun(query)))
      case 'deletecollection': {
        const options = await this.bodies.read(req)
        return sendList(storage.deleteCollection(namespace, selectorOf(query), options, isDryRun(query)))
      }
      default:
        throw StatusError.methodNotAllowed()
    }
  }

  async #serveScale({ req, res, query }: Exchange, target: ResourceTarget, storage: Storage): Promise<void> {
    const key = { namespace: target.namespace, name: target.name }
    const deployment = storage.get(key)
    if (target.verb === 'get') return sendJson(res, 200, scaleOf(deployment))
    let scale: Json
    if (target.verb === 'update') scale = await this.bodies.require(req)
    else if (target.verb === 'patch') {
      const patch = await this.bodies.require(req, PATCH_TYPES)
      scale = applyPatch(mediaType(req.headers['content-type']), scaleOf(storage.get(key)), patch)
    } else throw StatusError.methodNotAllowed()
    const next = storage.update(key, withScale(storage.get(key), scale), isDryRun(query))
    sendJson(res, 200, scaleOf(next))
  }
}

function servePath({ req, res }: Exchange, path: string): void {
  const known =
    HEALTH_PATHS.includes(path) || path === '/openapi/v2' ? true : discoveryDocument(trimSlash(path))
  if (known === undefined) throw StatusError.noSuchPath()
  if (req.method !== 'GET' && req.method !== 'HEAD') throw StatusError.methodNotAllowed()
  if (HEALTH_PATHS.includes(path)) return send(res, 200, 'text/plain; charset=utf-8', Buffer.from('ok'))
  if (path === '/openapi/v2') {
    const { contentType, body } = openapiDocument(req.headers.accept)
    return send(res, 200, contentType, body)
  }
  sendJson(res, 200, known)
}

function serveLog({ res, query }: Exchange, target: ResourceTarget, storage: Storage): void {
  if (target.verb !== 'get') throw StatusError.methodNotAllowed()
  const pod = storage.get({ namespace: target.namespace, name: target.name })
  const text = podLog(pod, query.get('container'), query.get('tailLines'))
  send(res, 200, 'text/plain', Buffer.from(text))
}

function selectorOf(query: URLSearchParams): Selector {
  const byLabel = parseLabelSelector(query.get('labelSelector') ?? '')
  const byField = parseFieldSelector(query.get('fieldSelector') ?? '')
  return (object) => byLabel(object) && byField(object)
}

function timeoutOf(query: URLSearchParams): number {
  const text = query.get('timeoutSeconds')
  if (text === null || text === '0') return DEFAULT_WATCH_SECONDS
  if (!/^\d{1,6}$/.test(text)) throw StatusError.badRequest(`invalid timeoutSeconds ${JSON.stringify(text)}`)
  return Number(text)
}

function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? ''
  if (value === '' || value === 'Metadata') return 'Metadata'
  if (value === 'None' || value === 'Object') return value
  throw StatusError.badRequest(`invalid includeObject ${JSON.stringify(value)}`)
}

function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll('dryRun')
  const unknown = values.find((value) => value !== 'All')
  if (unknown === undefined) return values.length > 0
  throw StatusError.badRequest(`invalid dryRun ${JSON.stringify(unknown)}: must be All`)
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function sendError(res: ServerResponse, err: unknown): void {
  if (res.headersSent || res.destroyed) {
    res.destroy()
    return
  }
  const status =
    err instanceof StatusError
      ? err
      : new StatusError(500, 'InternalError', `Internal error occurred: ${String(err)}`)
  sendJson(res, status.code, status.toStatus())
}

function sendJson(res: ServerResponse, code: number, body: Json): void {
  send(res, code, JSON_TYPE, Buffer.from(`${JSON.stringify(body)}\n`))
}

function send(res: ServerResponse, code: number, contentType: string, body: Buffer): void {
  res.writeHead(code, {
    'content-type': contentType,
    'content-length': body.length,
    'cache-control': 'no-cache, private',
  })
  res.end(body)
}
