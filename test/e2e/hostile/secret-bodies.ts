import { gzipSync } from 'node:zlib'
import { bytes, envelope } from '../../audit/capture/protobuf/encode.js'
import {
  bodyCase,
  CONFIG_MAPS,
  EXISTING,
  SECRET,
  SECRET_BASE64,
  SECRETS,
  type BodyRow,
  type Sent,
} from '../../support/hostile/body-case.js'
import { seen, unserved, type Family, type Fate } from '../../support/hostile/case.js'

const secret = (members = `"data":{"k":"${SECRET_BASE64}"}`, kind = '"kind":"Secret"'): string =>
  `{${kind},"apiVersion":"v1","metadata":{"name":"sent"},${members}}`
const PLAIN = secret(`"stringData":{"k":"${SECRET}"}`)
const quoted = (text: string): string => JSON.stringify(text)

/** Sent to where Secrets are made. */
const CREATED: readonly (readonly [name: string, body: string | Buffer])[] = [
  ['data', secret()],
  ['stringData', PLAIN],
  ['both', secret(`"data":{"k":"${SECRET_BASE64}"},"stringData":{"k":"${SECRET}"}`)],
  ['data twice', secret(`"data":{"k":"${SECRET_BASE64}"},"data":{"l":"${SECRET_BASE64}"}`)],
  ['data, then null', secret(`"data":{"k":"${SECRET_BASE64}"},"data":null`)],
  ['data that is null, then is not', secret(`"data":null,"data":{"k":"${SECRET_BASE64}"}`)],
  ['a key twice', secret(`"stringData":{"k":"a","k":"${SECRET}"}`)],
  ['data in another case', secret(`"DATA":{"k":"${SECRET_BASE64}"},"StringData":{"k":"${SECRET}"}`)],
  ['an escaped key', secret(`"d\\u0061ta":{"k":"${SECRET_BASE64}"}`)],
  ['an escaped value', secret(`"stringData":{"k":"\\u0063${SECRET.slice(1)}"}`)],
  ['a long s in a key', secret(`"\u017ftringData":{"k":"${SECRET}"}`)],
  ['no kind', secret(undefined, '"x":1')],
  ['an empty kind', secret(undefined, '"kind":""')],
  ['a kind in lower case', secret(undefined, '"kind":"secret"')],
  ['a key of the kind in upper case', secret(undefined, '"KIND":"Secret"')],
  ['two kinds', secret(undefined, '"kind":"Secret","kind":"ConfigMap"')],
  ['two kinds in two spellings', secret(undefined, '"kind":"ConfigMap","Kind":"Secret"')],
  ['as a Status', secret(`"status":"Failure","stringData":{"k":"${SECRET}"}`, '"kind":"Status"')],
  ['as a Table', secret(`"stringData":{"k":"${SECRET}"}`, '"kind":"Table"')],
  ['as partial metadata', secret(undefined, '"kind":"PartialObjectMetadata"')],
  ['as a ConfigMap', secret(`"data":{"k":"${SECRET}"}`, '"kind":"ConfigMap"')],
  ['as a DeleteOptions', secret(undefined, '"kind":"DeleteOptions"')],
  ['in a List', `{"kind":"List","apiVersion":"v1","items":[${PLAIN}]}`],
  ['in a SecretList', `{"kind":"SecretList","apiVersion":"v1","items":[${secret(undefined, '"x":1')}]}`],
  ['in an array', `[${PLAIN}]`],
  [
    'what was last applied',
    `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"sent","annotations":{` +
      `"kubectl.kubernetes.io/last-applied-configuration":${quoted(PLAIN)}}}}`,
  ],
  ['a number for a value', secret(`"stringData":{"k":"${SECRET}","l":7}`)],
  ['a list for data', secret(`"data":["${SECRET_BASE64}"]`)],
  ['a text for data', secret(`"data":"${SECRET}"`)],
  ['an object for a value', secret(`"stringData":{"k":{"l":"${SECRET}"}}`)],
  ['no base64', secret(`"data":{"k":"${SECRET}"}`)],
  ['base64 in lines', secret(`"data":{"k":"${SECRET_BASE64.slice(0, 8)}\\n${SECRET_BASE64.slice(8)}"}`)],
  ['JSON that breaks off', secret().slice(0, -3)],
  ['JSON with a comma too many', secret(`"stringData":{"k":"${SECRET}",}`)],
  ['rubbish behind it', `${PLAIN}${SECRET}`],
  ['rubbish before it', `${SECRET}${PLAIN}`],
  ['single quotes', PLAIN.replaceAll('"', "'")],
  ['a BOM', `\ufeff${PLAIN}`],
  ['a control character in a value', secret(`"stringData":{"k":"a\n${SECRET}"}`)],
  ['an escape that is none', secret(`"stringData":{"k":"\\x${SECRET}"}`)],
  ['NUL behind it', `${PLAIN}\0`],
  ['100 KB before it', `${' '.repeat(100_000)}${PLAIN}`],
]

const YAML: readonly (readonly [name: string, body: string | Buffer])[] = [
  ['data', `kind: Secret\napiVersion: v1\nmetadata: {name: sent}\ndata: {k: ${SECRET_BASE64}}\n`],
  ['stringData', `kind: Secret\napiVersion: v1\nmetadata: {name: sent}\nstringData: {k: ${SECRET}}\n`],
  ['an anchor elsewhere', `x: &x ${SECRET}\nkind: Secret\nmetadata: {name: sent}\nstringData: {k: *x}\n`],
  ['a merge', `x: &x {k: ${SECRET}}\nkind: Secret\nmetadata: {name: sent}\nstringData: {<<: *x}\n`],
  ['a folded text', `kind: Secret\nmetadata: {name: sent}\nstringData:\n  k: >\n    ${SECRET}\n    more\n`],
  ['binary', `kind: Secret\nmetadata: {name: sent}\nstringData: {k: !!binary ${SECRET_BASE64}}\n`],
  ['a comment', `# ${SECRET}\nkind: Secret\nmetadata: {name: sent}\n`],
  ['what does not end', `kind: Secret\nstringData: {k: "${SECRET}\n`],
  ['a tab', `kind: Secret\nstringData:\n\tk: ${SECRET}\n`],
  [
    'a second document',
    `kind: ConfigMap\nmetadata: {name: sent}\n---\nkind: Secret\nstringData: {k: ${SECRET}}\n`,
  ],
  [
    'UTF-16',
    Buffer.from(`\ufeffkind: Secret\nmetadata: {name: sent}\nstringData: {k: ${SECRET}}\n`, 'utf16le'),
  ],
]

const ENTRY = bytes(2, bytes(1, 'k'), bytes(2, SECRET))
const META = bytes(1, bytes(1, 'sent'))
const PROTOBUF: readonly (readonly [name: string, body: Buffer])[] = [
  ['data', envelope('v1', 'Secret', META, ENTRY)],
  ['an unknown kind', envelope('v1', 'Newer', META, ENTRY)],
  ['another kind', envelope('v1', 'ConfigMap', META, ENTRY)],
  ['what breaks off', envelope('v1', 'Secret', META, ENTRY).subarray(0, -5)],
  ['an unknown field', envelope('v1', 'Secret', META, bytes(99, SECRET))],
]

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const PARTIAL = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'
const ONE = `${SECRETS}/${EXISTING}`

/** Of a Secret that is there: what the apiserver answers has it, too. */
const ANSWERED: readonly BodyRow[] = [
  ...[
    '*/*',
    'application/yaml',
    'application/vnd.kubernetes.protobuf',
    'application/cbor',
    TABLE,
    PARTIAL,
  ].flatMap((accept): BodyRow[] => [
    [`one is read as ${accept}`, { method: 'GET', path: ONE, accept }],
    [`all are read as ${accept}`, { method: 'GET', path: SECRETS, accept }],
  ]),
  [
    'they are read with objects in a Table',
    { method: 'GET', path: SECRETS, query: '&includeObject=Object', accept: TABLE },
  ],
  [
    'it is read for people',
    { method: 'GET', path: ONE, query: '&pretty=true', lines: ['User-Agent: Mozilla/5.0'] },
  ],
  ['it is deleted', { method: 'DELETE', path: ONE }],
  ['all are deleted', { method: 'DELETE', path: SECRETS, body: '{"dryRun":["All"]}' }],
  ...(
    [
      ['replace', 'PUT', 'json', PLAIN.replace('sent', EXISTING)],
      ['merge', 'PATCH', 'merge-patch+json', `{"stringData":{"k":"${SECRET}"}}`],
      ['merge what is no object', 'PATCH', 'merge-patch+json', `"${SECRET}"`],
      ['strategic', 'PATCH', 'strategic-merge-patch+json', `{"data":{"l":"${SECRET_BASE64}"}}`],
      ['strategic of lies', 'PATCH', 'strategic-merge-patch+json', `{"data":{"l":"${SECRET}"}}`],
      ['add', 'PATCH', 'json-patch+json', `[{"op":"add","path":"/data/l","value":"${SECRET_BASE64}"}]`],
      ['add all', 'PATCH', 'json-patch+json', `[{"op":"add","path":"","value":${PLAIN}}]`],
      [
        'add by an escaped path',
        'PATCH',
        'json-patch+json',
        `[{"op":"add","path":"/d\\u0061ta/l","value":"${SECRET_BASE64}"}]`,
      ],
      ['test', 'PATCH', 'json-patch+json', `[{"op":"test","path":"/data/k","value":"${SECRET_BASE64}"}]`],
      [
        'an operation of lies',
        'PATCH',
        'json-patch+json',
        `[{"op":"explode","path":"/data","value":"${SECRET}"}]`,
      ],
      [
        'copy to an annotation',
        'PATCH',
        'json-patch+json',
        `[{"op":"copy","from":"/data/k","path":"/metadata/annotations"}]`,
      ],
      [
        'apply',
        'PATCH',
        'apply-patch+yaml',
        `kind: Secret\napiVersion: v1\nmetadata: {name: ${EXISTING}}\nstringData: {k: ${SECRET}}\n`,
      ],
      ['an unknown patch', 'PATCH', 'patch+json', `{"stringData":{"k":"${SECRET}"}}`],
    ] as const
  ).map(([name, method, type, body]): BodyRow => [
    `a change: ${name}`,
    { method, path: ONE, type: `application/${type}`, query: '&fieldManager=m&force=true', body },
  ]),
]

const NOT_THERE: readonly (readonly [name: string, sent: Sent])[] = [
  ['where ConfigMaps are made', { body: PLAIN }],
  ['where Deployments are made', { path: '/apis/apps/v1/namespaces/default/deployments', body: PLAIN }],
  [
    'in what was last applied to a ConfigMap',
    {
      body:
        `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"sent","annotations":{` +
        `"kubectl.kubernetes.io/last-applied-configuration":${quoted(PLAIN)}}}}`,
    },
  ],
  [
    'within a field of a ConfigMap',
    { body: `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"sent"},"x":${PLAIN}}` },
  ],
  ['as options of a deletion', { method: 'DELETE', path: `${CONFIG_MAPS}/${EXISTING}`, body: PLAIN }],
  ['as a List where ConfigMaps are made', { body: `{"kind":"List","apiVersion":"v1","items":[${PLAIN}]}` }],
  [
    'in a Table where ConfigMaps are made',
    {
      body: `{"kind":"Table","apiVersion":"meta.k8s.io/v1","rows":[{"cells":[],"object":${PLAIN}}]}`,
    },
  ],
  [
    'as YAML where ConfigMaps are made',
    { type: 'application/yaml', body: `kind: Secret\nstringData: {k: ${SECRET}}\n` },
  ],
  [
    'as a merge of a ConfigMap',
    {
      method: 'PATCH',
      path: `${CONFIG_MAPS}/${EXISTING}`,
      type: 'application/merge-patch+json',
      body: PLAIN,
    },
  ],
]

const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews'
const review = (spec: string, kind = '"kind":"TokenReview"'): string =>
  `{${kind},"apiVersion":"authentication.k8s.io/v1","spec":${spec}}`
/** The policy leaves out what the proxy asks itself, and so kube-apiserver what others ask through one that impersonates. */
const reviewed =
  (code: number) =>
  (mode: string): Fate =>
    mode === 'impersonation' ? unserved(code, 'alice') : seen('alice', '', code)

const TOKENS: readonly (readonly [name: string, body: string, code: number])[] = [
  ['a token', review(`{"token":"${SECRET}"}`), 201],
  ['a token twice', review(`{"token":"x","token":"${SECRET}"}`), 201],
  ['a kind in another case', review(`{"token":"${SECRET}"}`, '"KIND":"TokenReview"'), 201],
  ['no kind', review(`{"token":"${SECRET}"}`, '"x":1'), 201],
  ['a list for the token', review(`{"token":["${SECRET}"]}`), 400],
  ['a text for the spec', review(`"${SECRET}"`), 400],
]

export const secretBodies: Family = {
  family: 'secrets',
  cases: [
    ...CREATED.map(([name, body]): BodyRow => [name, { path: SECRETS, body }]),
    ...CREATED.slice(0, 2).map(([name, body]): BodyRow => [
      `${name}, strictly, with a field too many`,
      {
        path: SECRETS,
        query: '&fieldValidation=Strict',
        body: (body as string).replace('"data"', '"data":{},"data"').replace('{', `{"extra":"${SECRET}",`),
      },
    ]),
    ...CREATED.slice(0, 2).map(([name, body]): BodyRow => [
      `${name}, gzipped`,
      { path: SECRETS, encoding: 'gzip', body: gzipSync(body) },
    ]),
    ...YAML.map(([name, body]): BodyRow => [
      `YAML: ${name}`,
      { path: SECRETS, type: 'application/yaml', body },
    ]),
    ...PROTOBUF.map(([name, body]): BodyRow => [
      `protobuf: ${name}`,
      { path: SECRETS, type: 'application/vnd.kubernetes.protobuf', body },
    ]),
    ...['application/yaml', 'text/plain', 'application/cbor', 'application/vnd.kubernetes.protobuf'].map(
      (type): BodyRow => [`JSON as ${type}`, { path: SECRETS, type, body: PLAIN }],
    ),
    ...ANSWERED,
    ...NOT_THERE.map(([name, sent]): BodyRow => [`a Secret ${name}`, sent]),
    ...TOKENS.map(([name, body, code]): BodyRow => [
      `a TokenReview: ${name}`,
      { path: REVIEWS, body },
      reviewed(code),
    ]),
    ...([
      ['a TokenReview where ConfigMaps are made', { body: review(`{"token":"${SECRET}"}`) }],
      [
        'a token that is issued',
        {
          path: '/api/v1/namespaces/default/serviceaccounts/robot/token',
          body: '{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"expirationSeconds":600}}',
        },
      ],
      [
        'a token that is issued in YAML',
        {
          path: '/api/v1/namespaces/default/serviceaccounts/robot/token',
          type: 'application/yaml',
          accept: 'application/yaml',
          body: 'spec: {}\n',
        },
      ],
    ] as const satisfies readonly BodyRow[]),
  ].map(bodyCase),
}
