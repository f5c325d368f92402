import type { Dispatcher } from 'undici'
import type { UpstreamConnections } from './upstream-connections.js'

/** A review that the apiserver could not or would not answer. */
export class ReviewError extends Error {
  override name = 'ReviewError'

  /** @param status what the apiserver answered; undefined where it did not answer */
  constructor(
    message: string,
    readonly status?: number,
  ) {
    super(message)
  }
}

/** The proxy's own connection to the apiserver, on which it asks TokenReviews and SubjectAccessReviews. */
export interface ReviewClient {
  readonly connections: UpstreamConnections
  /** The value of the Authorization header, if the proxy's credential is a token. */
  authorization(): Promise<string | undefined>
  /** This Authorization was refused: get a new one if possible. Without it there is none, and 401 is an answer. */
  invalidate?(refused: string | undefined): void
}

/** Milliseconds that one attempt may take. k8s.io/apiserver's delegating authenticator waits 10 s as well. */
const ATTEMPT_TIMEOUT = 10_000
const ATTEMPTS = 2
/** A review's answer is a few KB; anything beyond this is not one. */
const MAX_ANSWER = 1 << 20

/**
 * Creates a review object and answers what the apiserver made of it. Tries again once where the apiserver did not answer
 * (reviews change nothing, so a repeat is harmless).
 * @throws ReviewError
 */
export async function createReview(client: ReviewClient, path: string, review: object): Promise<unknown> {
  const body = JSON.stringify(review)
  let failure: ReviewError | undefined
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      return await post(client, path, body)
    } catch (err) {
      if (!(err instanceof ReviewError)) throw err
      failure = err
      if (isAnswer(err.status, client)) break
    }
  }
  throw failure ?? new ReviewError('no attempt was made')
}

/** Whether asking again would be of no use. 401 may be for a credential that has just been replaced. */
function isAnswer(status: number | undefined, client: ReviewClient): boolean {
  return (
    status === 403 || status === 404 || status === 405 || (status === 401 && client.invalidate === undefined)
  )
}

async function post(client: ReviewClient, path: string, body: string): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const { statusCode, text } = await request(client, { method: 'POST', path, headers, body })
  if (statusCode !== 200 && statusCode !== 201) {
    throw new ReviewError(`POST ${path}: the apiserver answered ${statusCode}`, statusCode)
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new ReviewError(`POST ${path}: the apiserver's answer is not JSON`)
  }
}

/** What an apiserver answers that is about its state, and not about what it was asked. */
const NO_ANSWER = new Set([401, 429, 502, 503, 504])

/**
 * Asks the apiserver for something, and again where it does not answer.
 * @throws ReviewError where it does not, or has no answer now; but not for what it answers
 */
export async function get(
  client: ReviewClient,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<ApiserverAnswer> {
  let failure: ReviewError | undefined
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const answer = await request(client, { method: 'GET', path, headers })
      if (!NO_ANSWER.has(answer.statusCode)) return answer
      failure = new ReviewError(`GET ${path}: the apiserver answered ${answer.statusCode}`, answer.statusCode)
    } catch (err) {
      if (!(err instanceof ReviewError)) throw err
      failure = err
    }
  }
  throw failure ?? new ReviewError('no attempt was made')
}

export interface ApiserverAnswer {
  readonly statusCode: number
  readonly text: string
}

async function request(
  client: ReviewClient,
  asked: {
    readonly method: 'GET' | 'POST'
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
  },
): Promise<ApiserverAnswer> {
  const { method, path } = asked
  const what = `${method} ${path}`
  const headers: Record<string, string> = {
    ...asked.headers,
    accept: 'application/json',
    'user-agent': 'kube-audit-proxy',
  }
  let answer: Dispatcher.ResponseData
  let authorization: string | undefined
  try {
    // Taken together: both change when the kubeconfig does.
    const { dispatcher, origin, pathPrefix } = client.connections
    authorization = await client.authorization()
    if (authorization !== undefined) headers['authorization'] = authorization
    answer = await dispatcher.request({
      origin,
      method,
      path: pathPrefix + path,
      headers,
      ...(asked.body === undefined ? {} : { body: asked.body }),
      headersTimeout: ATTEMPT_TIMEOUT,
      bodyTimeout: ATTEMPT_TIMEOUT,
      signal: AbortSignal.timeout(ATTEMPT_TIMEOUT),
    })
  } catch (err) {
    throw new ReviewError(`${what}: ${describe(err)}`)
  }
  const text = await readBounded(answer, what)
  if (answer.statusCode === 401) client.invalidate?.(authorization)
  return { statusCode: answer.statusCode, text }
}

async function readBounded(answer: Dispatcher.ResponseData, what: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_ANSWER) throw new ReviewError(`${what}: the answer is larger than ${MAX_ANSWER} bytes`)
      chunks.push(chunk)
    }
  } catch (err) {
    throw err instanceof ReviewError ? err : new ReviewError(`${what}: ${describe(err)}`)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function describe(err: unknown): string {
  const { code, message } = err as { code?: string; message?: string }
  return code === undefined ? String(message) : `${code}: ${String(message)}`
}
