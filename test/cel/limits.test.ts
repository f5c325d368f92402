import t from 'tap'
import { kubernetesEnvironment } from '../../src/cel/environment.js'
import { CostLimitExceeded } from '../../src/cel/errors.js'
import { KUBERNETES_LIMITS, type Limits } from '../../src/cel/meter.js'
import { compile } from '../../src/cel/program.js'
import { ANY, BOOL, map, STRING } from '../../src/cel/types.js'
import { InputObject } from '../../src/cel/values.js'

const env = kubernetesEnvironment({ claims: map(STRING, ANY) })
const numbers = Array.from({ length: 5000 }, (_item, i) => i)
const text = 'a'.repeat(100_000)

function evaluate(expression: string, claims: Record<string, unknown>, limits?: Limits): unknown {
  return compile(env, expression).evaluate({ claims: new InputObject('kubernetes.claims', claims) }, limits)
}

await t.test('what a token makes too expensive', (t) => {
  const cases: [string, Record<string, unknown>][] = [
    ['dyn(claims.a).all(x, dyn(claims.a).all(y, x + y >= 0.0))', { a: numbers }],
    ['dyn(claims.a).exists(x, dyn(claims.a).exists(y, x < 0 && y < 0)) || true', { a: numbers }],
    ['dyn(claims.a).map(x, dyn(claims.a).map(y, [x, y]))', { a: numbers }],
    ['dyn(claims.a).distinct()', { a: numbers }],
    ['sets.equivalent(dyn(claims.a), dyn(claims.a))', { a: numbers }],
    ['dyn(claims.a).all(x, claims.b.size() > 0)', { a: numbers, b: text }],
    ['dyn(claims.a).all(x, claims.a == claims.a)', { a: numbers }],
    ['dyn(claims.a).map(x, claims.b + claims.b).size() > 0', { a: numbers, b: text }],
    ['claims.b.indexOf(claims.c)', { b: text, c: `${'a'.repeat(50_000)}b` }],
    ['claims.b.contains(claims.c)', { b: text, c: `${'a'.repeat(50_000)}b` }],
    ['claims.b.replace("", claims.b)', { b: text }],
    ['claims.b.matches(claims.c)', { b: text, c: '(a*)*'.repeat(500) }],
    ['isQuantity(claims.c)', { c: '12345678901234567890e2000000000' }],
    ['quantity("1e2000000000").add(quantity("1")).isInteger()', {}],
    ['quantity(claims.c).isLessThan(quantity("2"))', { c: '1e2000000000' }],
    ['isQuantity(claims.b)', { b: '1'.repeat(100_000) }],
    [
      '"%.60000f".format([1.5]).size() + dyn(claims.a).map(x, "%.32767e".format([1.5])).size()',
      { a: numbers },
    ],
    ['dyn(claims.a).all(x, "%f".format([1e300]) != "")', { a: numbers }],
    ['"%s".format([dyn(claims.a).map(x, dyn(claims.a))])', { a: numbers }],
    ['dyn(claims.a).all(x, !format.uri().validate(claims.b).hasValue())', { a: numbers, b: `/${text}` }],
    [
      // Doubles a list twenty-five times.
      Array.from({ length: 25 }, () => '').reduce(
        (sum) => `optional.of(${sum}).optMap(l, l + l).value()`,
        '[1]',
      ),
      {},
    ],
  ]
  for (const [expression, claims] of cases) {
    t.throws(() => evaluate(expression, claims), CostLimitExceeded, expression.slice(0, 80))
  }
  t.end()
})

await t.test('regular expressions take time that is linear in the text', (t) => {
  t.equal(evaluate('claims.a.matches("^(a+)+$")', { a: `${'a'.repeat(5000)}!` }), false)
  t.equal(evaluate('claims.a.matches("(a|aa)+$")', { a: `${'a'.repeat(5000)}!` }), false)
  t.throws(() => evaluate('"a".matches(claims.a)', { a: 'a'.repeat(5000) }), /more than 4096 characters/)
  t.throws(() => evaluate('"a".matches(claims.a)', { a: '(' }), /invalid regular expression/)
  t.end()
})

await t.test('the limit is that of kube-apiserver, to the unit', (t) => {
  // 1 for `claims`, 1 for `.a`, 1 for `==`.
  const limits = (cost: number) => ({ ...KUBERNETES_LIMITS, cost })
  t.equal(evaluate('claims.a == "x"', { a: 'x' }, limits(3)), true)
  t.throws(() => evaluate('claims.a == "x"', { a: 'x' }, limits(2)), CostLimitExceeded)
  t.throws(
    () => evaluate('claims.a == "x" || true', { a: 'x' }, limits(2)),
    CostLimitExceeded,
    'nothing absorbs it',
  )
  t.end()
})

await t.test('a type that an expression must have', (t) => {
  t.equal(compile(env, 'claims.a == 1', BOOL).evaluate({ claims: new InputObject('c', { a: 1 }) }), true)
  t.throws(() => compile(env, 'claims.a', BOOL), /must evaluate to bool, not any/)
  t.throws(() => compile(env, 'dyn(true)', BOOL), /must evaluate to bool, not dyn/)
  t.end()
})
