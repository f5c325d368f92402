import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { certificateNames, ServerNames } from '../../src/server/server-names.js'
import { PKI } from '../support/pki.js'

const pki = new PKI(t.testdir())
const ca = pki.ca('ca')
const leaf = (name: string, cn: string, dns: string[], ip: string[] = []) =>
  new X509Certificate(pki.issue(ca, { name, cn, dns, ip, usage: 'server' }).cert)

const fallback = {
  id: 'fallback',
  leaf: leaf('fallback', 'proxy', ['kubernetes', 'both.example']),
  names: [],
}
const named = [
  { id: 'own', leaf: leaf('own', 'own.example', ['*.own.example', 'both.example'], ['10.0.0.1']), names: [] },
  { id: 'late', leaf: leaf('late', 'own.example', ['late.example', 'told.example']), names: [] },
  {
    id: 'told',
    leaf: leaf('told', 'x', ['real.example', '*.deep.real.example']),
    names: ['told.example', '*.wild.example', 'a.wild.example', '127.0.0.1', 'UPPER.example'],
  },
  { id: 'wild', leaf: leaf('wild', 'y', []), names: ['a.wild.example', 'b.wild.example', 'fd00::1'] },
]
const names = new ServerNames(fallback, named)

// crypto/tls with dynamiccertificates' map answers the same.
for (const [name, id] of [
  ['own.example', 'own'],
  ['x.own.example', 'own'],
  ['x.y.own.example', 'fallback'],
  ['late.example', 'late'],
  ['told.example', 'told'],
  ['TOLD.example', 'told'],
  ['upper.example', 'told'],
  ['a.wild.example', 'told'],
  ['b.wild.example', 'wild'],
  ['c.wild.example', 'told'],
  ['c.d.wild.example', 'fallback'],
  // In the map by the certificate of the flag, whatever the fallback is good for.
  ['both.example', 'own'],
  // In no map, but good for it.
  ['kubernetes', 'fallback'],
  ['real.example', 'told'],
  ['x.deep.real.example', 'told'],
  ['nobody.example', 'fallback'],
  ['x', 'fallback'],
  ['', 'fallback'],
  ['*', 'fallback'],
  ['a\0b', 'fallback'],
  ['ü.example', 'fallback'],
] as const) {
  void t.test(JSON.stringify(name), (t) => {
    t.equal(names.forServerName(name).id, id)
    t.end()
  })
}

void t.test('addresses are those of flags', (t) => {
  t.same(
    [...names.byAddress].map(([address, { id }]) => [address, id]),
    [
      ['127.0.0.1', 'told'],
      ['fd00::1', 'wild'],
    ],
  )
  t.end()
})

void t.test('the names of a certificate', (t) => {
  for (const [cn, dns, expected] of [
    ['a.example', ['b.example', '*.c.example'], ['a.example', 'b.example', '*.c.example']],
    ['*.a.example', [], ['*.a.example']],
    ['*', [], ['*']],
    ['10.0.0.1', ['b'], ['b']],
    ['fd00::1', [], []],
    ['Big.example', [], []],
    ['a_b', [], []],
    ['a b', ['b'], ['b']],
    ['x'.repeat(64), [], ['x'.repeat(64)]],
  ] as const)
    t.same(certificateNames(leaf(`n${Math.random()}`, cn, [...dns], ['10.0.0.9'])), expected, cn)
  t.end()
})
