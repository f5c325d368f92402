import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { moduleFolders } from './modules.js'
import { printTable } from './print.js'
import { ADDED } from './special.js'
import { addVersion, type Table } from './table.js'

/**
 * The versions of the modules k8s.io/api and so on that the table is made from, the newest first. The older ones are for
 * what a newer Kubernetes no longer has: alpha versions come and go within a release or two.
 */
const VERSIONS = ['v0.37.2', 'v0.36.6', 'v0.35.10', 'v0.34.4', 'v0.33.13', 'v0.32.3', 'v0.20.2']

// Writes the table of protobuf messages: `npm run protobuf-table`. It needs the go command, which gets the modules.
const table: Table = new Map()
for (const version of VERSIONS) addVersion(table, moduleFolders(version))
for (const line of ADDED) {
  const [pkg = '', name = '', ...fields] = line.split(' ')
  const numbered = fields.map((field): [number, string] => [Number(field.split(':')[1]), field])
  table.get(pkg)?.messages.set(name, { mark: '', fields: new Map(numbered) })
}
const file = new URL('../../../src/audit/capture/protobuf/table.ts', import.meta.url)
writeFileSync(fileURLToPath(file), printTable(table, `the Go modules of Kubernetes ${VERSIONS.join(', ')}`))
