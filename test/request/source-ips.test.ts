import t from 'tap'
import { MAX_FORWARDED_FOR, type Origin, sourceIPs } from '../../src/request/source-ips.js'
import { userAgentOf } from '../../src/request/user-agent.js'

void t.test('source addresses, where the recordings do not show them', async (t) => {
  const table: [Origin, string[]][] = [
    [{}, []],
    [{ remoteAddress: '::ffff:10.0.0.1' }, ['10.0.0.1']],
    [{ remoteAddress: 'fe80::1%eth0' }, ['fe80::1']],
    [{ remoteAddress: '/run/proxy.sock' }, []],
    [{ forwardedFor: '10.0.0.1', remoteAddress: '::ffff:10.0.0.1' }, ['10.0.0.1']],
    [{ forwardedFor: '', realIP: '', remoteAddress: '::1' }, ['::1']],
    // Leading zeros are read as newer kube-apiservers do; Kubernetes 1.20 skips such an address.
    [{ forwardedFor: '010.001.000.1', remoteAddress: '::1' }, ['10.1.0.1', '::1']],
  ]
  for (const [origin, want] of table) t.strictSame(sourceIPs(origin), want, JSON.stringify(origin))
})

void t.test('of a hostile X-Forwarded-For the last entries count', async (t) => {
  const many = '1.1.1.1,'.repeat(2 ** 17)
  t.equal(sourceIPs({ forwardedFor: many + '2.2.2.2' }).length, MAX_FORWARDED_FOR)
  t.strictSame(sourceIPs({ forwardedFor: '3.3.3.3' + ','.repeat(2 ** 20) + '2.2.2.2' }), ['2.2.2.2'])
  t.strictSame(sourceIPs({ forwardedFor: '9'.repeat(2 ** 20) + ',2.2.2.2' }), ['2.2.2.2'])
})

void t.test('a user agent is cut at 1024 bytes, not characters', async (t) => {
  t.equal(userAgentOf(undefined), '')
  t.equal(userAgentOf('x'.repeat(1024)), 'x'.repeat(1024))
  t.equal(userAgentOf('x'.repeat(1025)), 'x'.repeat(1024) + '...TRUNCATED')
  t.equal(userAgentOf('\xc3\xa9'.repeat(513)), 'é'.repeat(512) + '...TRUNCATED')
  t.equal(userAgentOf('x' + '\xc3\xa9'.repeat(512)), 'x' + 'é'.repeat(511) + '\ufffd...TRUNCATED')
})
