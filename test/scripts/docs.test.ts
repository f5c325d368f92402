import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { generatedFiles } from '../../scripts/generated.js'
import { readConfig } from '../../src/cli/config-file.js'
import { FLAGS } from '../support/flags.js'
import { runCommand } from '../support/command.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const content = (name: string) => readFileSync(join(ROOT, name), 'utf8')

void t.test('what is made from the flag table is up to date: npm run docs', async (t) => {
  for (const [file, expected] of generatedFiles()) t.equal(readFileSync(file, 'utf8'), expected, file)
})

void t.test('every flag and command is in the documents', async (t) => {
  const flags = content('docs/flags.md')
  const man = content('man/kube-audit-proxy.8').replaceAll('\\-', '-')
  for (const { name } of FLAGS) {
    t.ok(flags.includes(`--${name}`), `docs/flags.md: --${name}`)
    t.match(man, new RegExp(`^\\.BI? "?(-\\w, )?--${name}\\b`, 'm'), `man: --${name}`)
  }
  const { stdout } = await runCommand(['--help'])
  const list = /^Commands:\n((?: {2}.*\n)+)/m.exec(stdout)?.[1] ?? ''
  const commands = [...list.matchAll(/^ {2}(\w+)/gm)].map((match) => match[1] as string)
  t.ok(commands.length >= 3)
  for (const command of commands)
    t.match(man, new RegExp(`^\\.(SS|B|TP\\n\\.B) ${command}\\b`, 'm'), `man: ${command}`)
})

void t.test('the example configuration, and each of its keys commented in', async (t) => {
  const file = join(t.testdir(), 'config.yaml')
  const text = content('config/kube-audit-proxy.yaml')
  t.equal(readConfig(join(ROOT, 'config/kube-audit-proxy.yaml'), FLAGS).get('secure-port')?.value, 8443)
  writeFileSync(file, text.replace(/^#([a-z][a-z0-9-]*:)/gm, '$1'))
  const settings = readConfig(file, FLAGS)
  for (const flag of FLAGS) {
    if ('commandLineOnly' in flag) continue
    t.ok(settings.has(flag.name), flag.name)
    const set = new RegExp(`^${flag.name}:`, 'm').test(text)
    if (!set && flag.default !== '')
      t.same(settings.get(flag.name)?.value, flag.default, `${flag.name} has its default`)
  }
})

void t.test('the man page can be shown', { skip: skipGroff() }, async (t) => {
  const args = ['-man', '-Tutf8', '-ww', '-z', join(ROOT, 'man/kube-audit-proxy.8')]
  t.equal(spawnSync('groff', args).stderr.toString(), '')
})

void t.test('links between the documents lead somewhere', async (t) => {
  const documents = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
  for (const document of documents.filter((name) => name.endsWith('.md'))) {
    for (const [, link = ''] of content(document).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      t.ok(existsSync(join(ROOT, dirname(document), link)), `${document}: ${link}`)
    }
  }
})

function skipGroff(): string | false {
  try {
    execFileSync('groff', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'there is no groff'
  }
}
