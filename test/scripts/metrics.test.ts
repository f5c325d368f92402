import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { StandIn } from '../support/stand-in.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const DOCUMENT = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8')
const NAME = /\b(?:apiserver_audit|kube_audit_proxy)_[a-z0-9_]+\b/g
const documented = new Set([...DOCUMENT.matchAll(/^\| `([a-z_]+)` /gm)].map((match) => match[1] as string))

/** The names of metrics in the source. */
function registered(): Set<string> {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const names = sources
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => readFileSync(join(ROOT, 'src', name), 'utf8').match(NAME) ?? [])
  return new Set(names.filter((name) => !name.endsWith('_')))
}

void t.test('each metric is documented, and no other', async (t) => {
  t.same([...documented].sort(), [...registered()].sort())
})

void t.test('what the proxy really shows is documented', async (t) => {
  const standIn = await StandIn.start({
    upstream: (_req, res) => res.end('{}'),
    flags: ['--metrics-bind-address=127.0.0.1:0'],
  })
  t.teardown(() => standIn.stop())
  await standIn.ask('/version')
  const [res] = (await once(get(`http://127.0.0.1:${standIn.proxy.metricsPort}/metrics`), 'response')) as [
    IncomingMessage,
  ]
  let text = ''
  for await (const chunk of res) text += String(chunk)
  const shown = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1] as string)
  t.ok(shown.length > 10)
  for (const name of shown) t.ok(documented.has(name), name)
})

void t.test('the alerts ask for metrics that there are', async (t) => {
  const { groups } = parse(readFileSync(join(ROOT, 'config/prometheus-rules.yaml'), 'utf8')) as {
    groups: { rules: { alert: string; expr: string }[] }[]
  }
  const alerts = groups.flatMap(({ rules }) => rules)
  t.ok(alerts.length > 5)
  for (const { alert, expr } of alerts) {
    for (const name of expr.match(NAME) ?? [])
      t.ok(documented.has(name.replace(/_(bucket|sum|count)$/, '')), `${alert}: ${name}`)
  }
  const named = [...DOCUMENT.matchAll(/^\|.*\| (?:[^|]*: )?`([A-Z]\w+)` +\|$/gm)].map((match) => match[1])
  for (const name of named)
    t.ok(
      alerts.some(({ alert }) => alert === name),
      `${name} is there`,
    )
  t.ok(named.length > 5)
})
