import { CONFIG_MAPS, EXISTING, SECRET_BASE64, SECRETS } from '../../support/hostile/body-case.js'
import {
  broken,
  getNext,
  refused,
  request,
  seen,
  type Family,
  type Fate,
  type HostileCase,
} from '../../support/hostile/case.js'

const BOB = ['Authorization: Bearer bobtoken']
const BAD = ['Authorization: Bearer x']
const MAP = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"sent"}}'
const SECRET = `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"sent"},"data":{"k":"${SECRET_BASE64}"}}`

/** Writes that are refused before anybody reads what there is to write. */
const WRITES: readonly (readonly [name: string, method: string, path: string, type: string, body: string])[] =
  [
    ['a ConfigMap', 'POST', CONFIG_MAPS, 'json', MAP],
    ['a Secret', 'POST', SECRETS, 'json', SECRET],
    ['YAML', 'POST', CONFIG_MAPS, 'yaml', 'kind: ConfigMap\nmetadata: {name: sent}\n'],
    ['what is no JSON', 'POST', CONFIG_MAPS, 'json', '{'.repeat(1000)],
    ['an update', 'PUT', `${CONFIG_MAPS}/${EXISTING}`, 'json', MAP],
    ['a patch', 'PATCH', `${CONFIG_MAPS}/${EXISTING}`, 'merge-patch+json', '{"data":{"a":"b"}}'],
    ['options of a deletion', 'DELETE', `${CONFIG_MAPS}/${EXISTING}`, 'json', '{"gracePeriodSeconds":0}'],
  ]

const REFUSALS: readonly (readonly [who: string, lines: readonly string[], fate: Fate])[] = [
  ['of one who may not', BOB, seen('bob', '', 403)],
  ['of nobody', [], seen('nobody', '', 403)],
  ['of one who is not known', BAD, refused(401)],
]

const upgrade = [
  ...['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

export const refusals: Family = {
  family: 'refusals',
  cases: [
    ...REFUSALS.flatMap(([who, lines, fate]) =>
      WRITES.map(([name, method, path, type, body]): HostileCase => ({
        name: `${name} ${who}`,
        certificate: 'none',
        bytes: (given) =>
          request(
            `${method} ${path}?case=${given.id} HTTP/1.1`,
            given,
            [
              ...['Connection: close', `Content-Type: application/${type}`, `Content-Length: ${body.length}`],
              ...lines,
            ],
            body,
          ),
        fates: [fate],
        unrecorded: true,
      })),
    ),
    ...['websocket', 'SPDY/3.1'].map((protocol): HostileCase => ({
      name: `${protocol} behind a request that is not answered`,
      bytes: (given) =>
        getNext(given, [], 'o') +
        request(
          `GET ${given.path('u')}/x/exec?command=ls HTTP/1.1`,
          given,
          upgrade.map((line) => line.replace('websocket', protocol)),
        ),
      fates: [broken('alice', 'o')],
    })),
  ],
}
