import t from 'tap'
import { newRequestInfo } from '../../src/request/request-info.js'
import { parseRequestTarget } from '../../src/request/request-target.js'
import { deprecationAnnotations } from '../../src/server/deprecation.js'

const DEPRECATED = { 'k8s.io/deprecated': 'true' }

await t.test('annotations of deprecated API versions, by the Warning headers', (t) => {
  const of = (path: string, ...warnings: string[]): unknown =>
    deprecationAnnotations(warnings, newRequestInfo('GET', parseRequestTarget(path)))
  const endpoints = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
  const endpointsPath = '/api/v1/namespaces/default/endpoints'
  const cronJob =
    '299 - "batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob"'
  const cronJobs = '/apis/batch/v1beta1/cronjobs'
  t.strictSame(of(endpointsPath, endpoints), DEPRECATED)
  t.strictSame(
    of('/api/v1/componentstatuses', '299 - "v1 ComponentStatus is deprecated in v1.19+"'),
    DEPRECATED,
  )
  t.strictSame(of(cronJobs, '299 - "unknown field \\"spec.x\\""', cronJob), {
    ...DEPRECATED,
    'k8s.io/removed-release': '1.25',
  })
  t.strictSame(
    of('/apis/e.com/v1beta1/things', '299 - "e.com/v1beta1 Thing is deprecated; use e.com/v1 Thing"'),
    {
      ...DEPRECATED,
    },
  )
  t.strictSame(of('/apis/e.com/v1beta1/things', '299 - "e.com/v1beta1 Thing is deprecated"'), DEPRECATED)

  t.equal(of(cronJobs), undefined)
  t.equal(of(endpointsPath, cronJob), undefined, 'about another version')
  t.equal(of(cronJobs, '299 - "spec.template: deprecated in v1.25+"'), undefined)
  t.equal(
    of(cronJobs, 'batch/v1beta1 CronJob is deprecated in v1.21+'),
    undefined,
    'not in the form of a warning',
  )
  t.equal(of('/api', '299 - "v1 Endpoints is deprecated in v1.33+"'), undefined, 'no resource')
  t.end()
})
