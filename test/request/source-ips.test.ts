import t from 'tap'
import { MAX_FORWARDED_FOR, sourceIPs } from '../../src/request/source-ips.js'
import { truncateUserAgent } from '../../src/request/user-agent.js'

void t.test('source addresses, where the recordings do not show them', async (t) => {
  const table: [string | undefined, string | undefined, string | undefined, string[]][] = [
    [undefined, undefined, undefined, []],
    [undefined, undefined, '::ffff:10.0.0.1', ['10.0.0.1']],
    [undefined, undefined, 'fe80::1%eth0', ['fe80::1']],
    [undefined, undefined, '/run/proxy.sock', []],
    ['10.0.0.1', undefined, '::ffff:10.0.0.1', ['10.0.0.1']],
    ['', '', '::1', ['::1']],
    // Leading zeros are read as newer kube-apiservers do; Kubernetes 1.20 skips such an address.
    ['010.001.000.1', undefined, '::1', ['10.1.0.1', '::1']],
  ]
  for (const [forwardedFor, realIP, peer, want] of table) {
    t.strictSame(sourceIPs(forwardedFor, realIP, peer), want, JSON.stringify([forwardedFor, realIP, peer]))
  }
})

void t.test('of a hostile X-Forwarded-For the last entries count', async (t) => {
  const many = '1.1.1.1,'.repeat(2 ** 17)
  t.equal(sourceIPs(many + '2.2.2.2', undefined, '').length, MAX_FORWARDED_FOR)
  t.strictSame(sourceIPs('3.3.3.3' + ','.repeat(2 ** 20) + '2.2.2.2', undefined, ''), ['2.2.2.2'])
  t.strictSame(sourceIPs('9'.repeat(2 ** 20) + ',2.2.2.2', undefined, ''), ['2.2.2.2'])
})

void t.test('a user agent is cut at 1024 bytes, not characters', async (t) => {
  t.equal(truncateUserAgent(undefined), undefined)
  t.equal(truncateUserAgent('x'.repeat(1024)), 'x'.repeat(1024))
  t.equal(truncateUserAgent('x'.repeat(1025)), 'x'.repeat(1024) + '...TRUNCATED')
  t.equal(truncateUserAgent('é'.repeat(513)), 'é'.repeat(512) + '...TRUNCATED')
  t.equal(truncateUserAgent('x' + 'é'.repeat(512)), 'x' + 'é'.repeat(511) + '\ufffd...TRUNCATED')
})
