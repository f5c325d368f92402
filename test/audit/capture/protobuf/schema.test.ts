import t from 'tap'
import { Schema } from '../../../../src/audit/capture/protobuf/schema.js'
import { TABLE } from '../../../../src/audit/capture/protobuf/table.js'

void t.test('every message and kind of the table can be used', (t) => {
  const schema = new Schema(TABLE)
  let pkg = ''
  let apiVersion = ''
  let kinds = 0
  for (const line of TABLE.trim().split('\n')) {
    const [word = '', ...fields] = line.split(' ')
    if (word === 'package') {
      ;[pkg = '', apiVersion = ''] = fields
      continue
    }
    const name = word.replace(/\W$/, '')
    const message = schema.message(`${pkg}.${name}`)
    if (word.endsWith('!')) {
      kinds++
      if (schema.kind(apiVersion, name) !== message) t.fail(`${apiVersion} ${name}`)
    }
    const keys = message.fields.map((field) => field.key).filter((key) => key !== '')
    if (new Set(keys).size !== keys.length) t.fail(`${pkg}.${name} has a name twice`)
  }
  t.ok(kinds > 300, `${kinds} kinds`)
  t.end()
})

void t.test('kinds of old and of new versions', (t) => {
  const schema = new Schema(TABLE)
  for (const [apiVersion, kind] of [
    ['v1', 'Pod'],
    ['v1', 'Status'],
    ['apps/v1', 'DeploymentList'],
    ['extensions/v1beta1', 'Ingress'],
    ['policy/v1beta1', 'PodSecurityPolicy'],
    ['policy/v1', 'Eviction'],
    ['batch/v2alpha1', 'CronJob'],
    ['node.k8s.io/v1alpha1', 'RuntimeClass'],
    ['flowcontrol.apiserver.k8s.io/v1alpha1', 'FlowSchema'],
    ['flowcontrol.apiserver.k8s.io/v1', 'FlowSchema'],
    ['resource.k8s.io/v1beta1', 'ResourceClaim'],
    ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
    ['apiregistration.k8s.io/v1', 'APIServiceList'],
    ['metrics.k8s.io/v1beta1', 'PodMetrics'],
    ['meta.k8s.io/v1', 'PartialObjectMetadataList'],
    ['meta.k8s.io/v1beta1', 'PartialObjectMetadata'],
    ['autoscaling/v1', 'Scale'],
    ['authentication.k8s.io/v1', 'TokenRequest'],
  ] as const) {
    t.ok(schema.kind(apiVersion, kind), `${apiVersion} ${kind}`)
  }
  t.equal(schema.kind('apps/v1', 'Pod'), undefined)
  t.equal(schema.kind('v1', 'ObjectMeta'), undefined, 'no kind')
  t.equal(schema.kind('v1', 'constructor'), undefined)
  t.throws(() => schema.message('core.v1.Nothing'), /no message core.v1.Nothing/)
  t.end()
})
