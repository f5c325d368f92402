import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const MAP = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8')
const LINT = readFileSync(join(ROOT, 'eslint.config.js'), 'utf8')

/** The folders of src that are rooms: all, and within audit those that are on a floor of their own. */
function rooms(): string[] {
  const folders = (dir: string) =>
    readdirSync(join(ROOT, dir))
      .map((name) => `${dir}/${name}`)
      .filter((path) => statSync(join(ROOT, path)).isDirectory())
  return [...folders('src'), ...folders('src/audit')]
}

void t.test('each file that the map names is there', async (t) => {
  const named = [...MAP.matchAll(/`((?:src|test|demo|bench|scripts)\/[^`]*|[a-z.]+\.js)`/g)].map(
    ([, path]) => path as string,
  )
  t.ok(named.length > 50)
  for (const path of new Set(named)) t.ok(existsSync(join(ROOT, path)), path)
})

void t.test('each room is on the map, and has a floor', async (t) => {
  const all = rooms()
  t.ok(all.length >= 15)
  for (const room of all) {
    t.ok(MAP.includes(`| \`${room}\` `), `${room} is in ARCHITECTURE.md`)
    t.ok(LINT.includes(`'${room.slice('src/'.length)}'`), `${room} has a floor in eslint.config.js`)
  }
})
