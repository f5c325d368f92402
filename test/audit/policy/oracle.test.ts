import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PolicyEvaluator } from '../../../src/audit/policy/evaluate.js'
import { loadPolicy } from '../../../src/audit/policy/load.js'
import type { Policy } from '../../../src/audit/policy/policy.js'
import type { RequestInfo } from '../../../src/request/request-info.js'

interface Asked extends Omit<RequestInfo, 'apiPrefix' | 'apiVersion'> {
  readonly user: string | null
  readonly groups?: string[]
}

/** What k8s.io/apiserver v0.37.2's LoadPolicyFromBytes and PolicyRuleEvaluator answered. */
interface Row {
  readonly name: string
  readonly text?: string
  readonly base64?: string
  readonly refused?: true
  readonly warned?: true
  /** Without lists that are empty. */
  readonly policy?: unknown
  readonly rules?: number
  /** Level, stages left out and omitManagedFields, a request each. */
  readonly decisions?: string[]
}

const recording = new URL(
  '../../../../test/audit/policy/recordings/kube-apiserver-1.37.2.jsonl',
  import.meta.url,
)
const [head = '', ...lines] = readFileSync(fileURLToPath(recording), 'utf8').trimEnd().split('\n')
const { requests } = JSON.parse(head) as { requests: Asked[] }
const rows = lines.map((line) => JSON.parse(line) as Row)

const slim = (value: object) =>
  Object.fromEntries(
    Object.entries(value).filter(([, v]) => v !== undefined && !(Array.isArray(v) && v.length === 0)),
  )

void t.test('policies are loaded and refused as kube-apiserver does', async (t) => {
  t.ok(rows.length > 400)
  const dir = mkdtempSync(join(tmpdir(), 'policy-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'policy.yaml')
  for (const row of rows) {
    writeFileSync(file, row.text ?? Buffer.from(row.base64 ?? '', 'base64'))
    const warnings: string[] = []
    const load = (): Policy => loadPolicy(file, (warning) => warnings.push(warning))
    if (row.refused) {
      t.throws(load, { name: 'ConfigError' }, `${row.name}: refused`)
      continue
    }
    const policy = load()
    if (row.warned) t.ok(warnings.length > 0, `${row.name}: warned of`)
    if (row.rules !== undefined) t.equal(policy.rules.length, row.rules, row.name)
    if (row.policy !== undefined) {
      const rules = policy.rules.map((rule) => slim({ ...rule, resources: rule.resources.map(slim) }))
      t.same({ ...policy, rules }, row.policy, row.name)
    }
    if (row.decisions !== undefined) t.same(requests.map(decide(policy)), row.decisions, row.name)
  }
})

function decide(policy: Policy) {
  const evaluator = new PolicyEvaluator(policy)
  return ({ user, groups, ...info }: Asked): string => {
    const { level, omitStages, omitManagedFields } = evaluator.evaluate(
      user === null ? undefined : { username: user, ...(groups && { groups }) },
      { apiPrefix: '', apiVersion: '', ...info },
    )
    return `${level} [${[...omitStages].sort().join(' ')}] ${omitManagedFields}`
  }
}
