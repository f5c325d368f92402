import {
  bytes,
  envelope,
  int,
  message,
  tag,
  varint,
  withoutTypeMeta,
} from '../../audit/capture/protobuf/encode.js'
import { bodyCase, CONFIG_MAPS, EXISTING, type BodyRow } from '../../support/hostile/body-case.js'
import type { Family } from '../../support/hostile/case.js'
import { map } from './json-bodies.js'

const META = bytes(1, bytes(1, 'sent'))
const entry = (...fields: readonly (Buffer | string)[]): Buffer => bytes(2, ...fields)
const DATA = entry(bytes(1, 'k'), bytes(2, 'v'))
const configMap = (...fields: readonly Buffer[]): Buffer => envelope('v1', 'ConfigMap', META, ...fields)
const group = (number: number, ...fields: readonly Buffer[]): Buffer =>
  message(tag(number, 3), ...fields, tag(number, 4))

/** An object whose envelope says what else there is to say. */
const wrapped = (raw: Buffer | string, encoding: string, type: string): Buffer =>
  message(
    'k8s\0',
    bytes(1, bytes(1, 'v1'), bytes(2, 'ConfigMap')),
    bytes(2, raw),
    bytes(3, encoding),
    bytes(4, type),
  )

const managed = (levels: number): Buffer =>
  bytes(
    1,
    bytes(1, 'sent'),
    bytes(
      17,
      ...[bytes(1, 'm'), bytes(2, 'Update'), bytes(3, 'v1'), bytes(6, 'FieldsV1')],
      bytes(7, bytes(1, `${'{"f:a":'.repeat(levels)}{}${'}'.repeat(levels)}`)),
    ),
  )

/** JSONSchemaProps with that many levels of `not`, which is field 26. */
function schema(levels: number): Buffer {
  let props = bytes(5, 'object')
  for (let i = 0; i < levels; i++) props = bytes(26, props)
  return props
}

/** A definition of API group x.io whose schema has that many levels. */
const definition = (levels: number): Buffer =>
  envelope(
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    bytes(1, bytes(1, 'as.x.io')),
    bytes(
      2,
      bytes(1, 'x.io'),
      bytes(3, bytes(1, 'as'), bytes(2, 'a'), bytes(4, 'A'), bytes(5, 'AList')),
      bytes(4, 'Namespaced'),
      bytes(7, bytes(1, 'v1'), int(2, 1), int(3, 1), bytes(4, bytes(1, schema(levels)))),
    ),
  )

const MESSAGES: readonly (readonly [name: string, body: Buffer])[] = [
  ['as it should be', configMap(DATA)],
  ['nothing', Buffer.alloc(0)],
  ['the prefix alone', Buffer.from('k8s\0')],
  ['a prefix that is cut off', Buffer.from('k8s')],
  ['another prefix', Buffer.from('k9s\0\x0a\x00')],
  ['no envelope', message(META, DATA)],
  ['no type', withoutTypeMeta(configMap(DATA))],
  ['JSON', Buffer.from(map())],
  ['JSON in the envelope, which says so', wrapped(map(), '', 'application/json')],
  ['JSON in the envelope, which does not', wrapped(map(), '', '')],
  ['a Content-Encoding in the envelope', wrapped(message(META, DATA), 'gzip', '')],
  ['an unknown type in the envelope', wrapped(message(META, DATA), '', 'application/x')],
  ['another kind', envelope('v1', 'Pod', META)],
  ['an unknown kind', envelope('v1', 'Explosion', META)],
  ['an unknown group', envelope('x.io/v1', 'ConfigMap', META)],
  ['a kind in lower case', envelope('v1', 'configmap', META, DATA)],
  ['the kind twice', message(configMap(DATA), bytes(1, bytes(1, 'v1'), bytes(2, 'Secret')))],
  ['the object twice', message(configMap(DATA), bytes(2, bytes(1, bytes(1, 'second'))))],
  ['metadata twice', configMap(bytes(1, bytes(2, 'generated-')), DATA)],
  ['a key of the map twice', configMap(DATA, entry(bytes(1, 'k'), bytes(2, 'second')))],
  ['an entry without a key', configMap(entry(bytes(2, 'v')))],
  ['an entry without a value', configMap(entry(bytes(1, 'k')))],
  ['an empty entry', configMap(entry())],
  ['an entry with its value first', configMap(entry(bytes(2, 'v'), bytes(1, 'k')))],
  ['an entry with two values', configMap(entry(bytes(1, 'k'), bytes(2, 'a'), bytes(2, 'b')))],
  ['a number for the key of an entry', configMap(entry(int(1, 7), bytes(2, 'v')))],
  ['a number for the value of an entry', configMap(entry(bytes(1, 'k'), int(2, 7)))],
  ['a group in an entry', configMap(entry(bytes(1, 'k'), group(3, int(1, 1)), bytes(2, 'v')))],
  ['an unknown field in an entry', configMap(entry(bytes(1, 'k'), bytes(9, 'x'), bytes(2, 'v')))],
  ['a number for an entry', configMap(int(2, 7))],
  ['a number for metadata', envelope('v1', 'ConfigMap', int(1, 7))],
  ['an unknown field', configMap(DATA, bytes(99, 'x'))],
  ['an unknown number', configMap(DATA, int(99, 7))],
  [
    'fixed numbers that are unknown',
    configMap(DATA, message(tag(98, 1), Buffer.alloc(8), tag(99, 5), Buffer.alloc(4))),
  ],
  ['a group that is unknown', configMap(DATA, group(99, group(98, int(1, 1))))],
  ['a group that does not end', configMap(DATA, tag(99, 3))],
  ['the end of a group', configMap(DATA, tag(99, 4))],
  ['a group that ends as another', configMap(DATA, message(tag(99, 3), tag(98, 4)))],
  [
    '600 groups',
    configMap(DATA, message(...Array<Buffer>(600).fill(tag(99, 3)), ...Array<Buffer>(600).fill(tag(99, 4)))),
  ],
  ['50,000 groups', configMap(message(...Array<Buffer>(50_000).fill(tag(99, 3))))],
  ['field 0', configMap(DATA, bytes(0, 'x'))],
  ['field 0 in metadata', envelope('v1', 'ConfigMap', bytes(1, bytes(1, 'sent'), int(0, 1)))],
  ['the highest field', configMap(DATA, int(2 ** 28, 1))],
  ['a tag beyond 32 bits', configMap(DATA, message(varint(2n ** 35n + 8n), varint(1)))],
  ['wire type 6', configMap(DATA, message(Buffer.from([0x0e]), bytes(1, 'x')))],
  ['wire type 7', configMap(DATA, Buffer.from([0x0f]))],
  ['a number of 10 bytes', configMap(DATA, int(99, -1n))],
  ['a number of 11 bytes', configMap(DATA, message(tag(99, 0), Buffer.alloc(10, 0xff), Buffer.from([1])))],
  ['a number that is cut off', configMap(DATA, message(tag(99, 0), Buffer.from([0x80])))],
  ['zeros behind a number', configMap(DATA, message(tag(99, 0), Buffer.from([0x81, 0x80, 0x00])))],
  ['a length beyond the end', configMap(message(tag(2, 2), varint(100), 'k'))],
  ['a length beyond 2^31', configMap(message(tag(2, 2), varint(2 ** 31 + 1), 'k'))],
  ['a length beyond 2^63', configMap(message(tag(2, 2), varint(2n ** 63n + 1n), 'k'))],
  ['an envelope that is cut off', configMap(DATA).subarray(0, -9)],
  ['rubbish behind the envelope', message(configMap(DATA), 'rubbish')],
  ['text that is not UTF-8', configMap(entry(bytes(1, 'k'), bytes(2, Buffer.from('\xff\xfe', 'latin1'))))],
  ['a key that is not UTF-8', configMap(entry(bytes(1, Buffer.from('\xc0\xaf', 'latin1')), bytes(2, 'v')))],
  ['control characters', configMap(entry(bytes(1, 'k'), bytes(2, 'a\0\n\u2028"\\\x7f')))],
  ['bytes of binaryData', configMap(bytes(3, bytes(1, 'b'), bytes(2, Buffer.from([0, 255, 10]))))],
  ['a truth of 7', configMap(DATA, int(4, 7))],
  ['managedFields of 600 levels', envelope('v1', 'ConfigMap', managed(600), DATA)],
  ['managedFields of 9,000 levels', envelope('v1', 'ConfigMap', managed(9000), DATA)],
  [
    'managedFields that are no JSON',
    envelope('v1', 'ConfigMap', bytes(1, bytes(1, 'sent'), bytes(17, bytes(7, bytes(1, '{"a"')))), DATA),
  ],
  [
    'a time before the year 1',
    envelope('v1', 'ConfigMap', bytes(1, bytes(1, 'sent'), bytes(8, int(1, -62_135_596_801n))), DATA),
  ],
  [
    'a time beyond 9999',
    envelope('v1', 'ConfigMap', bytes(1, bytes(1, 'sent'), bytes(8, int(1, 2n ** 40n)))),
  ],
]

const PROTOBUF = { type: 'application/vnd.kubernetes.protobuf' }
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** CBOR of RFC 8949: the head of an item. */
function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value])
  if (value < 256) return Buffer.from([(major << 5) | 24, value])
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255])
}
const text = (value: string): Buffer => message(head(3, Buffer.byteLength(value)), value)
const cbor = (...data: readonly Buffer[]): Buffer =>
  message(
    ...[head(5, 4), text('apiVersion'), text('v1'), text('kind'), text('ConfigMap')],
    ...[text('metadata'), head(5, 1), text('name'), text('sent'), text('data'), ...data],
  )
const SELF = Buffer.from('d9d9f7', 'hex')

const ITEMS: readonly (readonly [name: string, body: Buffer])[] = [
  ['as it should be', message(SELF, cbor(head(5, 1), text('k'), text('v')))],
  ['without its own tag', cbor(head(5, 1), text('k'), text('v'))],
  ['nothing', Buffer.alloc(0)],
  ['its own tag alone', SELF],
  [
    'endless maps and texts',
    message(SELF, cbor(Buffer.from('bf6161', 'hex'), Buffer.from('7f6162ffff', 'hex'))),
  ],
  ['a map that does not end', message(SELF, cbor(Buffer.from('bf6161', 'hex')))],
  ['a key twice', message(SELF, cbor(head(5, 2), text('k'), text('a'), text('k'), text('b')))],
  ['bytes for text', message(SELF, cbor(head(5, 1), text('k'), Buffer.from('4176', 'hex')))],
  ['600 levels', message(SELF, cbor(message(...Array<Buffer>(600).fill(head(4, 1)), head(0, 1))))],
  ['a length beyond the end', message(SELF, cbor(head(5, 60_000)))],
  ['a text that is not UTF-8', message(SELF, cbor(head(5, 1), text('k'), Buffer.from('62fffe', 'hex')))],
  ['NaN, infinity and undefined', message(SELF, cbor(Buffer.from('83f97e00f97c00f7', 'hex')))],
  ['a big number', message(SELF, cbor(Buffer.from('c249010000000000000000', 'hex')))],
  ['rubbish behind it', message(SELF, cbor(head(5, 0)), text('rubbish'))],
]

export const binaryBodies: Family = {
  family: 'protobuf and CBOR',
  cases: [
    ...MESSAGES.map(([name, body]): BodyRow => [name, { ...PROTOBUF, body }]),
    ...[5, 30, 120].map((levels): BodyRow => [
      `a definition whose schema has ${levels} levels`,
      { ...PROTOBUF, path: DEFINITIONS, body: definition(levels) },
    ]),
    [
      'a patch',
      { ...PROTOBUF, method: 'PATCH', path: `${CONFIG_MAPS}/${EXISTING}`, body: configMap(DATA) },
    ] as const,
    [
      'an update',
      {
        ...PROTOBUF,
        method: 'PUT',
        path: `${CONFIG_MAPS}/${EXISTING}`,
        body: envelope('v1', 'ConfigMap', bytes(1, bytes(1, EXISTING)), DATA),
      },
    ] as const,
    [
      'options of a deletion',
      {
        ...PROTOBUF,
        method: 'DELETE',
        path: `${CONFIG_MAPS}/${EXISTING}`,
        body: envelope('v1', 'DeleteOptions', int(1, 0), bytes(5, 'All')),
      },
    ] as const,
    ...[';stream=watch', '; charset=utf-16', ';type=v1.Secret'].map((parameters): BodyRow => [
      `with ${parameters}`,
      { type: PROTOBUF.type + parameters, body: configMap(DATA) },
    ]),
    ...ITEMS.map(([name, body]): BodyRow => [`CBOR: ${name}`, { type: 'application/cbor', body }]),
  ].map(bodyCase),
}
