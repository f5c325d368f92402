// usage: npm run test:one -- test/FILE.test.ts ... [tap's own options]
// Runs these tests alone, as they were just compiled.
import { spawnSync } from 'node:child_process'
import { relative } from 'node:path'

const args = process.argv
  .slice(2)
  .map((arg) => (arg.endsWith('.ts') ? `build/${relative('.', arg).replace(/\.ts$/, '.js')}` : arg))
if (args.length === 0) {
  console.error('usage: npm run test:one -- test/FILE.test.ts ...')
  process.exit(2)
}
const { status } = spawnSync(process.execPath, ['node_modules/.bin/tap', ...args], { stdio: 'inherit' })
process.exit(status ?? 1)
