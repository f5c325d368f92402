import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const BIN = 'build/src/main.js'
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

/** Why nothing can be packed, for tap's `skip`. */
function skip(): string | false {
  try {
    execFileSync('npm', ['--version'], { stdio: 'ignore' })
    execFileSync('tar', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'there is no npm or no tar'
  }
}

/** The package that `npm pack` makes of what is built. */
async function pack(dir: string): Promise<string> {
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', dir], { cwd: ROOT })
  return join(dir, `kube-audit-proxy-${version}.tgz`)
}

void t.test('what is in the package, and that it runs from there', { skip: skip() }, async (t) => {
  const dir = t.testdir()
  const tarball = await pack(dir)
  await run('tar', ['-xzf', tarball, '-C', dir])
  const unpacked = join(dir, 'package')
  const needed = [
    ...[
      BIN,
      'LICENSE',
      'README.md',
      'certs/make-certs',
      'config/policy.yaml',
      'config/kube-audit-proxy.yaml',
    ],
    ...['config/kubernetes/deployment.yaml', 'docs/flags.md', 'man/kube-audit-proxy.8'],
    ...['systemd/kube-audit-proxy.service', 'systemd/kube-audit-proxy.socket'],
  ]
  for (const file of needed) t.ok(existsSync(join(unpacked, file)), file)
  for (const file of ['build/test', 'build/bench', 'test', 'node_modules'])
    t.notOk(existsSync(join(unpacked, file)), `no ${file}`)
  t.ok(statSync(join(unpacked, 'certs/make-certs')).mode & 0o100, 'make-certs can be run')

  // Only what production needs, so that a dependency that is declared as one of development is missed.
  const { dependencies } = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  mkdirSync(join(unpacked, 'node_modules'))
  for (const name of Object.keys(dependencies))
    symlinkSync(join(ROOT, 'node_modules', name), join(unpacked, 'node_modules', name))
  const policy = join(unpacked, 'config/policy.yaml')
  const ran = await run(process.execPath, [join(unpacked, BIN), 'policy', 'check', policy])
  t.equal(ran.stdout, `${policy}: valid, 16 rules\n`)
  t.notOk(existsSync(join(unpacked, 'build/demo')), 'the demo is no part of the package')
})

void t.test('npm install -g', { skip: skip(), timeout: 180_000 }, async (t) => {
  const dir = t.testdir()
  const tarball = await pack(dir)
  const prefix = join(dir, 'prefix')
  const install = ['install', '--global', '--prefix', prefix, '--offline', '--no-audit', '--no-fund', tarball]
  const problem = await run('npm', install).then(
    () => '',
    (err: { stderr: string }) => err.stderr,
  )
  if (/ENOTCACHED|ECONNREFUSED|ENOTFOUND/.test(problem)) {
    t.pass('installs', { skip: 'the dependencies are not in the cache of npm' })
    return
  }
  t.equal(problem, '')
  const bin = join(prefix, 'bin/kube-audit-proxy')
  t.equal((await run(bin, ['--version'])).stdout, `kube-audit-proxy ${version}\n`)
  const policy = join(prefix, 'lib/node_modules/kube-audit-proxy/config/policy-minimal.yaml')
  t.equal((await run(bin, ['policy', 'check', policy])).stdout, `${policy}: valid, 2 rules\n`)
})
