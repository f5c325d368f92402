import t from 'tap'
import { withoutManagedFields } from '../../../src/audit/capture/managed-fields.js'

const M = '"managedFields":[{"manager":"kubectl","fieldsV1":{"f:metadata":{"f:managedFields":{}}}}]'

for (const [what, text, want] of [
  ['first', `{"kind":"Pod","metadata":{${M},"name":"a"}}`, '{"kind":"Pod","metadata":{"name":"a"}}'],
  ['last', `{"metadata":{"name":"a",${M}},"kind":"Pod"}`, '{"metadata":{"name":"a"},"kind":"Pod"}'],
  ['between', `{"metadata":{"a":1,${M},"b":"]}"}}`, '{"metadata":{"a":1,"b":"]}"}}'],
  ['alone', `{"metadata":{${M}}}`, '{"metadata":{}}'],
  ['null', '{"metadata":{"managedFields":null,"name":"a"}}', '{"metadata":{"name":"a"}}'],
  ['key with escapes', '{"metadata":{"managed\\u0046ields":[1],"name":"a"}}', '{"metadata":{"name":"a"}}'],
  [
    'list',
    `{"items":[{"metadata":{${M},"name":"a"}},{"metadata":{"name":"b",${M}}},{},7,[]],"metadata":{"n":1}}`,
    '{"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}},{},7,[]],"metadata":{"n":1}}',
  ],
  [
    'Table',
    `{"kind":"Table","rows":[{"cells":["x",1],"object":{"metadata":{"name":"a",${M}}}},{"cells":[]}]}`,
    '{"kind":"Table","rows":[{"cells":["x",1],"object":{"metadata":{"name":"a"}}},{"cells":[]}]}',
  ],
  [
    'elsewhere',
    `{"spec":{"template":{"metadata":{${M}}}},${M}}`,
    `{"spec":{"template":{"metadata":{${M}}}},${M}}`,
  ],
  [
    'other shapes',
    `{"metadata":[${'{"managedFields":1}'}],"items":{"metadata":{${M}}},"rows":5}`,
    `{"metadata":[{"managedFields":1}],"items":{"metadata":{${M}}},"rows":5}`,
  ],
  [
    'numbers stay',
    `{"n":9007199254740993,"metadata":{${M}},"m":1e21}`,
    '{"n":9007199254740993,"metadata":{},"m":1e21}',
  ],
  ['no object', '["managedFields"]', '["managedFields"]'],
  ['string', '"managedFields"', '"managedFields"'],
] as const) {
  t.equal(withoutManagedFields(text), want, what)
}
