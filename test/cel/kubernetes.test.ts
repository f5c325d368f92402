import { readFileSync } from 'node:fs'
import t from 'tap'
import { kubernetesEnvironment } from '../../src/cel/environment.js'
import { CompileError, CostLimitExceeded, EvaluationError } from '../../src/cel/errors.js'
import { compile } from '../../src/cel/program.js'
import { ANY, map, STRING } from '../../src/cel/types.js'
import { InputObject } from '../../src/cel/values.js'
import { show } from './show.js'

/** What kube-apiserver 1.37.2 says to an expression for the claims of a token. */
interface Recorded {
  readonly expression: string
  readonly loadError?: string
  readonly error?: string
  readonly value?: string
}

interface Recording {
  readonly claims: Record<string, unknown>
  readonly expressions: readonly Recorded[]
}

function recording(name: string): Recording {
  const file = new URL(`../../../test/cel/recordings/${name}`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as Recording
}

/** What docs/authentication.md says is not as there. */
const DIFFERENT = new Set([
  'double("0x1p4")',
  'timestamp("1900-01-01T00:00:00Z").getMinutes("Europe/Amsterdam")',
])

const env = kubernetesEnvironment({ claims: map(STRING, ANY) })

function answer(expression: string, claims: Recording['claims']): Omit<Recorded, 'expression'> {
  try {
    const program = compile(env, expression)
    return { value: show(program.evaluate({ claims: new InputObject('kubernetes.claims', claims) })) }
  } catch (err) {
    if (err instanceof CompileError) return { loadError: err.message }
    if (err instanceof EvaluationError || err instanceof CostLimitExceeded) return { error: err.message }
    throw err
  }
}

for (const [name, least] of [
  ['expressions.json', 1000],
  ['libraries.json', 900],
] as const) {
  await t.test(`expressions mean what they mean to kube-apiserver: ${name}`, (t) => {
    const { claims, expressions } = recording(name)
    t.ok(expressions.length > least)
    for (const { expression, loadError, error, value } of expressions) {
      if (DIFFERENT.has(expression)) continue
      const found = answer(expression, claims)
      if (loadError !== undefined) t.ok(found.loadError, `${expression}: ${loadError}`)
      else if (error !== undefined) t.ok(found.error, `${expression}: ${error}`)
      else t.equal(found.value ?? `${found.loadError} ${found.error}`, value, expression)
    }
    t.end()
  })
}

await t.test('messages', (t) => {
  const cases: [string, string | RegExp][] = [
    ['claims.a +', /^1:11: Syntax error/],
    ['claims.sub\n  + nope', /^2:5: undeclared reference to 'nope'/],
    ['"😀" + 1', /^1:5: found no matching overload for '_\+_' applied to '\(string, int\)'/],
    ['quantity(1)', /^1:9: found no matching overload for 'quantity' applied to '\(int\)'/],
    ['"%d".format([])', /^1:12: the text of format\(\) is for 1 arguments, not 0/],
    ['"%d".format([1, 2])', /^1:12: the text of format\(\) is for 1 arguments, not 2/],
    ['"%s".format([claims.sub])', /^1:20: %s of format\(\) takes no any$/],
    ['"%s".format([[1, {"a": quantity("1")}]])', /^1:32: %s of format\(\) takes no kubernetes.Quantity$/],
    ['"%q".format([1])', /^1:12: could not parse formatting clause: unrecognized formatting clause "q"/],
    ['google.protobuf.Int64Value{value: 1}', /message literals .* are not supported here/],
    ['[1, "a"]', /^1:5: expected type 'int' but found 'string'/],
    [`${'('.repeat(300)}1${')'.repeat(300)}`, /recursion limit exceeded/],
    [Array(300).fill('1').join('+'), /recursion limit exceeded/],
    ['x'.repeat(100_001), /size exceeds limit/],
  ]
  for (const [expression, message] of cases) {
    t.throws(() => compile(env, expression), { name: 'CompileError', message }, expression.slice(0, 50))
  }
  t.doesNotThrow(() => compile(env, Array(1000).fill('claims.a == 1').join(' && ')))
  t.end()
})
