import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/cli/config-file.js'
import { FLAGS } from '../support/flags.js'
import type { Flag } from '../../src/cli/flag.js'
import { EVENTS_USAGE } from '../../src/commands/events-flags.js'
import { VERIFY_USAGE } from '../../src/commands/verify.js'
import { parseArguments } from '../../src/cli/pflag.js'
import { runCommand } from '../support/command.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const content = (name: string) => readFileSync(join(ROOT, name), 'utf8')
const DOCUMENTS = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]

/** The code blocks of a language in a document. */
function blocks(document: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')
  return [...content(document).matchAll(fence)].map((match) => match[1] as string)
}

/** Of each command in a script that calls `program`, the words behind that. What a here-document says is a script, too. */
function calls(script: string, program: string): string[][] {
  return script
    .replaceAll('\\\n', ' ')
    .split(/\n|&&|\|\||[|;]/)
    .map((line) =>
      line
        .replace(/ #.*$/, '')
        .replace(/\d?>.*$/, '')
        .replace(/[()]/g, ''),
    )
    .map((line) => line.trim().split(/\s+/))
    .map((words) => words.map((word) => word.replace(/^(['"])(.*)\1$/, '$2')))
    .filter(([first = '']) => first === program || first.endsWith(`/${program}`))
    .map((words) => words.slice(1))
}

void t.test('shell commands are well-formed', { skip: skipBash() }, (t) => {
  for (const document of DOCUMENTS) {
    for (const block of blocks(document, 'sh'))
      t.equal(execFileSync('bash', ['-n'], { input: block, stdio: 'pipe' }).toString(), '', document)
  }
  t.end()
})

void t.test('the flags of each call are flags', async (t) => {
  let count = 0
  for (const document of DOCUMENTS) {
    for (const args of blocks(document, 'sh').flatMap((block) => calls(block, 'kube-audit-proxy'))) {
      const line = `${document}: kube-audit-proxy ${args.join(' ')}`
      count++
      if (args[0]?.startsWith('-') === true && args[0] !== '--version')
        t.strictSame(parseArguments(args, FLAGS).args, [], line)
      // A command reads its flags before it says what they are.
      else t.equal((await runCommand([...args, '--help'])).stderr, '', line)
    }
  }
  t.ok(count > 10, `${count} calls`)
})

void t.test('the options of make-certs are in its help', { skip: skipBash() }, (t) => {
  const help = execFileSync('bash', [join(ROOT, 'certs/make-certs'), '--help']).toString()
  let count = 0
  for (const document of DOCUMENTS) {
    for (const args of blocks(document, 'sh').flatMap((block) => calls(block, 'make-certs'))) {
      count++
      t.match(help, `make-certs ${args[0]} `, `${document}: ${args.join(' ')}`)
      for (const option of args.filter((arg) => arg.startsWith('--')))
        t.match(help, new RegExp(`^  ${option} `, 'm'), `${document}: ${option}`)
    }
  }
  t.ok(count > 5, `${count} calls`)
  t.end()
})

void t.test('files that commands name are in the package', (t) => {
  let count = 0
  for (const document of DOCUMENTS) {
    for (const block of blocks(document, 'sh')) {
      for (const [, path = ''] of block.matchAll(
        /(?:^|[ "]|\$package\/)((?:certs|config|systemd)\/[\w./-]+)/gm,
      )) {
        count++
        t.ok(existsSync(join(ROOT, path)), `${document}: ${path}`)
      }
    }
  }
  t.ok(count > 10, `${count} files`)
  t.end()
})

void t.test('what is installed is the version that this is', (t) => {
  const { version } = JSON.parse(content('package.json')) as { version: string }
  t.match(content('docs/install-kubeadm.md'), `kube-audit-proxy-${version}.tgz`)
  for (const file of ['docs/managed.md', 'config/kubernetes/deployment.yaml'])
    t.match(content(file), `/kube-audit-proxy:${version}`, file)
  t.end()
})

void t.test('YAML is YAML, and the configuration of the kubeadm document is one', (t) => {
  for (const document of DOCUMENTS) {
    for (const block of blocks(document, 'yaml'))
      for (const parsed of parseAllDocuments(block)) t.strictSame(parsed.errors, [], document)
  }
  const [, added = ''] = /<<'YAML'\n(.*?)^YAML$/ms.exec(content('docs/install-kubeadm.md')) ?? []
  const file = join(t.testdir(), 'config.yaml')
  writeFileSync(file, content('config/kube-audit-proxy.yaml') + added)
  const { value } = readConfig(file, FLAGS).get('proxy-client-key-file') ?? {}
  t.equal(value, '/etc/kube-audit-proxy/front-proxy-client.key')
  t.end()
})

void t.test('flags that the text names are flags', (t) => {
  const ofCommands = [...VERIFY_USAGE.flags, ...EVENTS_USAGE.flags]
  const names = [...FLAGS, ...ofCommands].flatMap(({ name, deprecatedName }: Flag) => [
    name,
    deprecatedName ?? name,
  ])
  // Of every command; `--flag` and `--bool` stand for any.
  const others = ['help', 'version', 'flag', 'bool']
  for (const document of DOCUMENTS) {
    for (const [, name = ''] of content(document).matchAll(/`--([a-z][a-z0-9*-]*)/g)) {
      const pattern = new RegExp(`^${name.replaceAll('*', '[a-z-]+')}$`)
      if (!others.includes(name))
        t.ok(
          names.some((flag) => pattern.test(flag)),
          `${document}: --${name}`,
        )
    }
  }
  t.end()
})

function skipBash(): string | false {
  try {
    execFileSync('bash', ['-c', 'true'])
    return false
  } catch {
    return 'there is no bash'
  }
}
