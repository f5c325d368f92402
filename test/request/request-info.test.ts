import t from 'tap'
import { newRequestInfo, type RequestInfo, RequestInfoError } from '../../src/request/request-info.js'
import { InvalidRequestTarget, parseRequestTarget } from '../../src/request/request-target.js'

const infoOf = (method: string, target: string) => newRequestInfo(method, parseRequestTarget(target))

const EMPTY = {
  apiPrefix: '',
  apiGroup: '',
  apiVersion: '',
  namespace: '',
  resource: '',
  subresource: '',
  name: '',
}

void t.test('a resource request has every field', async (t) => {
  t.strictSame(infoOf('PATCH', '/apis/apps/v1/namespaces/shop/deployments/web/scale?dryRun=All'), {
    isResourceRequest: true,
    path: '/apis/apps/v1/namespaces/shop/deployments/web/scale',
    verb: 'patch',
    apiPrefix: 'apis',
    apiGroup: 'apps',
    apiVersion: 'v1',
    namespace: 'shop',
    resource: 'deployments',
    subresource: 'scale',
    name: 'web',
  })
})

void t.test('a non-resource request has path, verb and at most the prefix', async (t) => {
  const table: [string, string, Partial<RequestInfo>][] = [
    ['GET', '/', { path: '/', verb: 'get' }],
    ['POST', '/healthz?verbose', { path: '/healthz', verb: 'post' }],
    ['GET', '/api', { path: '/api', verb: 'get' }],
    ['GET', '/api/v1/', { path: '/api/v1/', verb: 'get' }],
    ['GET', '/apis/apps/v1', { path: '/apis/apps/v1', verb: 'get', apiPrefix: 'apis' }],
    ['OPTIONS', '*', { path: '*', verb: 'options' }],
    ['GET', '/apisx/apps/v1/deployments', { path: '/apisx/apps/v1/deployments', verb: 'get' }],
  ]
  for (const [method, target, want] of table) {
    t.strictSame(
      infoOf(method, target),
      { isResourceRequest: false, ...EMPTY, ...want },
      `${method} ${target}`,
    )
  }
})

void t.test('only the deprecated verbs without a resource are an error', async (t) => {
  for (const target of ['/api/v1/watch', '/api/v1/proxy/', '/apis/apps/v1/watch']) {
    t.throws(() => infoOf('GET', target), RequestInfoError, target)
  }
  t.match(infoOf('GET', '/api/watch/pods'), { verb: 'list', apiVersion: 'watch', resource: 'pods' })
})

void t.test('a request target gives its parts as received and as Go prints them', async (t) => {
  const table: [string, string, string, string, string][] = [
    // target, path, rawQuery, requestURI, originForm
    ['/a/b?c=d', '/a/b', 'c=d', '/a/b?c=d', '/a/b?c=d'],
    ['/a?', '/a', '', '/a?', '/a?'],
    ['/a%2fb', '/a/b', '', '/a%2fb', '/a%2fb'],
    ['/a%2fb"', '/a/b"', '', '/a/b%22', '/a%2fb"'],
    ['/\xc3\xa9?\xc3\xa9', '/é', '\xc3\xa9', '/%C3%A9?é', '/\xc3\xa9?\xc3\xa9'],
    ['https://h:6443/a?b', '/a', 'b', '/a?b', '/a?b'],
    ['http://[::1]', '', '', '/', '/'],
    ['http://h?x', '', 'x', '/?x', '/?x'],
    ['//evil/a', '//evil/a', '', '//evil/a', '//evil/a'],
  ]
  for (const [target, path, rawQuery, requestURI, originForm] of table) {
    t.strictSame(parseRequestTarget(target), { path, rawQuery, requestURI, originForm }, target)
  }
})

void t.test('a request target that cannot be served is refused', async (t) => {
  const targets = [
    '',
    'a',
    '?a',
    'http:a',
    ':/a',
    '/a b',
    '/a\n',
    '/a?\x7f',
    '/%',
    '/%4',
    '/%4g',
    'http://h h/',
    'http://a"b/',
  ]
  for (const target of targets) {
    t.throws(() => parseRequestTarget(target), InvalidRequestTarget, JSON.stringify(target))
  }
})

void t.test('hostile targets of a mebibyte are read', async (t) => {
  const long = (unit: string) => unit.repeat(2 ** 20 / unit.length)
  t.match(infoOf('GET', '/api/v1' + long('/')), { isResourceRequest: false })
  t.match(infoOf('GET', '/api/v1/pods/' + long('/x')), { resource: 'pods', name: '', subresource: 'x' })
  const list = '/api/v1/pods?fieldSelector=metadata.name%3Dx'
  t.match(infoOf('GET', `${list}&limit=${long('0')}x`), { verb: 'list', name: '' })
  t.match(infoOf('GET', `${list}&limit=${long('0')}`), { verb: 'list', name: 'x' })
  t.match(infoOf('GET', `${list}&labelSelector=${long('a%2C')}a`), { verb: 'list', name: 'x' })
  t.match(infoOf('GET', `${list}&labelSelector=${long('a')}`), { verb: 'list', name: '' })
  t.match(infoOf('GET', `${list}%2C${long('a%3Db%2C')}`), { verb: 'list', name: 'x' })
  t.match(infoOf('GET', `${list}${long('%5C%2C')}`), { verb: 'list', name: 'x' + ','.repeat(2 ** 20 / 6) })
  t.match(infoOf('GET', `/api/v1/pods?${long('&')}watch`), { verb: 'watch' })
})
