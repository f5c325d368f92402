import t from 'tap'
import { bearerToken } from '../../src/authentication/bearer-token.js'

void t.test('the token of an Authorization header, as kube-apiserver finds it', async (t) => {
  const cases: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['Bearer', undefined],
    ['Bearer ', undefined],
    ['Bearer abc', 'abc'],
    ['bEARER abc', 'abc'],
    [' \t\u0085\u00a0\u2003\u3000Bearer abc\u2029\u0085 ', 'abc'],
    ['\ufeffBearer abc', undefined],
    ['Bearer abc\ufeff', 'abc\ufeff'],
    ['Bearer\tabc', undefined],
    // What stands behind the token is nobody's.
    ['Bearer abc def', 'abc'],
    ['Bearer  abc', undefined],
    ['Basic abc', undefined],
  ]
  for (const [value, token] of cases) t.equal(bearerToken(value), token, encodeURI(value ?? ''))
})

void t.test('as many spaces as a header can hold', async (t) => {
  const spaces = ' '.repeat(1 << 20)
  t.equal(bearerToken(`Bearer${spaces}x`), undefined)
  t.equal(bearerToken(`${spaces}Bearer x${spaces}`), 'x')
})
