import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { InvalidCredential } from '../../src/authentication/authenticator.js'
import { WebSocketProtocolAuthenticator } from '../../src/authentication/websocket-protocol.js'
import { ClientHeaders } from '../../src/request/client-headers.js'

const PREFIX = 'base64url.bearer.authorization.k8s.io.'
const encode = (token: string) => PREFIX + Buffer.from(token).toString('base64url')

/** Knows every token, as the user of that name. */
const authenticator = new WebSocketProtocolAuthenticator({
  authenticateToken: (username) => Promise.resolve(username === 'unknown' ? undefined : { username }),
})

async function userOf(protocols: readonly string[], upgradeProtocol?: string): Promise<string | undefined> {
  const headers = ClientHeaders.from(protocols.flatMap((value) => ['Sec-WebSocket-Protocol', value]))
  const credentials = { headers, upgradeProtocol, socket: {} as TLSSocket, target: { path: '/' } }
  return (await authenticator.authenticate(credentials))?.user.username
}

await t.test('the token of a WebSocket', async (t) => {
  const found: [string[], string | undefined][] = [
    [[`${encode('sesame')}, v4.channel.k8s.io`], 'sesame'],
    [['v4.channel.k8s.io', encode('sesame')], 'sesame'],
    [[`v4.channel.k8s.io,${encode('zoë')}`], 'zoë'],
    [['v4.channel.k8s.io'], undefined],
    [[`${PREFIX}, v4.channel.k8s.io`], undefined],
    [[], undefined],
  ]
  for (const [headers, token] of found) t.equal(await userOf(headers, 'WebSocket'), token, String(headers))
  const refused: string[][] = [
    [encode('alone')],
    [`${encode('a')},${encode('b')},x`],
    [encode('a'), `x, ${encode('a')}`],
    [`${PREFIX}c2VzYW1l==,x`],
    [`${PREFIX}a+b/,x`],
    [`${PREFIX}_w,x`],
    [`${encode('unknown')},x`],
  ]
  for (const headers of refused) {
    await t.rejects(userOf(headers, 'websocket'), InvalidCredential, String(headers))
  }
})

await t.test('of nothing else', async (t) => {
  for (const upgrade of [undefined, 'SPDY/3.1', '']) {
    t.equal(await userOf([`${encode('sesame')}, x`], upgrade), undefined, String(upgrade))
  }
})
