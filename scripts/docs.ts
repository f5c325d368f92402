import { readFileSync, writeFileSync } from 'node:fs'
import { generatedFiles } from './generated.js'

// Writes the documents that are made from the flag table: `npm run docs`. With --check it only says which are not up to date.
const check = process.argv.includes('--check')
const stale: string[] = []
for (const [file, content] of generatedFiles()) {
  if (readFileSync(file, { encoding: 'utf8', flag: 'a+' }) === content) continue
  if (check) stale.push(file)
  else writeFileSync(file, content)
}
if (stale.length > 0) {
  process.stderr.write(`not up to date, run npm run docs: ${stale.join(', ')}\n`)
  process.exitCode = 1
}
