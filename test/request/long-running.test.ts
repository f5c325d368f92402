import t from 'tap'
import { isLongRunning } from '../../src/request/long-running.js'
import { newRequestInfo } from '../../src/request/request-info.js'
import { parseRequestTarget } from '../../src/request/request-target.js'

const table: [string, string, boolean][] = [
  ['GET', '/api/v1/pods?watch=true', true],
  ['GET', '/api/v1/watch/pods', true],
  ['GET', '/api/v1/proxy/nodes/n/metrics', true],
  ['POST', '/api/v1/namespaces/a/pods/p/exec', true],
  ['POST', '/api/v1/namespaces/a/pods/p/attach', true],
  ['POST', '/api/v1/namespaces/a/pods/p/portforward', true],
  ['GET', '/api/v1/namespaces/a/pods/p/log', true],
  ['DELETE', '/api/v1/namespaces/a/services/s/proxy/x', true],
  ['GET', '/debug/pprof/profile', true],
  ['GET', '/debug/pprof', false],
  ['GET', '/debug/flags/v', false],
  ['GET', '/api/v1/pods', false],
  ['GET', '/api/v1/pods?watch=false', false],
  ['GET', '/api/v1/namespaces/a/pods/p?watch=true', false],
  ['GET', '/api/v1/namespaces/a/pods/log', false],
  ['POST', '/api/v1/namespaces/a/pods/p/eviction', false],
]

void t.test('watch and proxy verbs, streaming subresources and profiles are long-running', async (t) => {
  for (const [method, target, want] of table) {
    t.equal(isLongRunning(newRequestInfo(method, parseRequestTarget(target))), want, `${method} ${target}`)
  }
})
