import t from 'tap'
import { proxyFromEnvironment } from '../../src/kubeconfig/proxy-url.js'

void t.test('which proxy the environment names for which server', (t) => {
  const HTTPS_PROXY = 'http://proxy:3128'
  const cases: [string, NodeJS.ProcessEnv, string | undefined][] = [
    ['https://k.example.com', {}, undefined],
    ['https://k.example.com', { HTTPS_PROXY }, 'http://proxy:3128/'],
    ['https://k.example.com', { https_proxy: 'proxy:3128' }, 'http://proxy:3128/'],
    ['https://k.example.com', { HTTP_PROXY: HTTPS_PROXY }, undefined],
    ['http://k.example.com', { http_proxy: HTTPS_PROXY }, 'http://proxy:3128/'],
    ['https://localhost:6443', { HTTPS_PROXY }, undefined],
    ['https://127.0.0.5:6443', { HTTPS_PROXY }, undefined],
    ['https://[::1]:6443', { HTTPS_PROXY }, undefined],
    ...(
      [
        ['https://k.example.com', '*', true],
        ['https://k.example.com', 'example.com', true],
        ['https://k.example.com', 'other.org, Example.com', true],
        ['https://k.example.com', '.example.com', true],
        ['https://k.example.com', '*.example.com', true],
        ['https://example.com', '.example.com', false],
        ['https://badexample.com', 'example.com', false],
        ['https://k.example.com:6443', 'example.com:6443', true],
        ['https://k.example.com', 'example.com:6443', false],
        ['https://k.example.com', 'example.com:443', true],
        ['https://10.1.2.3', '10.0.0.0/8', true],
        ['https://11.1.2.3', '10.0.0.0/8', false],
        ['https://10.1.2.3', '10.0.0.0/99', false],
        ['https://10.1.2.3', '10.1.2.3', true],
        ['https://[fd00::1]', 'fd00::/16', true],
        ['https://[fd00::1]', 'fd00:0:0:0::0001', true],
        ['https://10.1.2.3:6443', '10.1.2.3:443', false],
        ['https://[fd00::1]:6443', '[fd00::1]:6443', true],
        ['https://[fd00::1]', '10.0.0.0/8', false],
      ] as const
    ).map(([server, NO_PROXY, direct]): [string, NodeJS.ProcessEnv, string | undefined] => [
      server,
      { HTTPS_PROXY, NO_PROXY },
      direct ? undefined : 'http://proxy:3128/',
    ]),
  ]
  for (const [server, env, proxy] of cases) {
    t.equal(proxyFromEnvironment(new URL(server), env)?.href, proxy, `${server} ${JSON.stringify(env)}`)
  }
  t.throws(() => proxyFromEnvironment(new URL('https://k'), { HTTPS_PROXY: 'socks5://u:hidden@p' }), {
    name: 'ConfigError',
    message: 'HTTPS_PROXY: found the scheme socks5, expected http://HOST:PORT or https://HOST:PORT',
  })
  t.end()
})
