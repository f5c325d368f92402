import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

void t.test('each claim of the threat model names a test that is there', (t) => {
  const lines = readFileSync(root('docs/threat-model.md'), 'utf8').split('\n')
  const named = lines.filter((line) => line.startsWith('- '))
  t.ok(named.length > 30)
  for (const line of named) {
    const [, file = '', name = ''] = /^- `(test\/[^`]+)`: "(.+)"$/.exec(line) ?? []
    t.not(name, '', line)
    const source = readFileSync(root(file), 'utf8')
    t.ok(
      source.includes(`'${name}'`) || source.includes(`"${name}"`),
      `${file} has the test ${JSON.stringify(name)}`,
    )
  }
  // A claim is a line that begins in bold; what follows it, up to the next one, has a test.
  const claims = lines
    .join('\n')
    .split(/^(?=\*\*)/m)
    .slice(1)
  for (const claim of claims) t.match(claim, /^- `test\//m, claim.slice(0, 60))
  t.end()
})
