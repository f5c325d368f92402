import t from 'tap'
import { acceptsJSON } from '../../src/request/accept.js'

await t.test('what an Accept header admits for a Status, as kube-apiserver negotiates it', (t) => {
  for (const accept of [
    undefined,
    '',
    '*/*',
    '*',
    'application/json',
    'application/*',
    ' application / json ',
    'text/html, application/json;q=0',
    'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
    'application/json;stream=watch',
    'application/json;pretty=1;charset=utf-8',
    'application/json;as=',
    'application/json;as=Table=x',
    'application/json; sv= ',
  ])
    t.equal(acceptsJSON(accept), true, accept ?? 'none')
  for (const accept of [
    ',',
    'text/plain',
    'application',
    'Application/JSON',
    'application/json/x',
    'text/*',
    'application/yaml',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json; g =meta.k8s.io',
    'application/json;v= ',
    'application/json;stream=other',
    'application/json;sv=v1',
    'application/vnd.kubernetes.protobuf',
  ])
    t.equal(acceptsJSON(accept), false, accept)
  t.end()
})
