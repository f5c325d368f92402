import { execFile, execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { BIN } from '../support/proxy-process.js'

const run = promisify(execFile)
const UNITS = fileURLToPath(new URL('../../../systemd/', import.meta.url))
const SERVICE = readFileSync(join(UNITS, 'kube-audit-proxy.service'), 'utf8')
const SOCKET = readFileSync(join(UNITS, 'kube-audit-proxy.socket'), 'utf8')
const CONFIG = readFileSync(new URL('../../../config/kube-audit-proxy.yaml', import.meta.url), 'utf8')

/** Why there is no systemd-analyze that can do this, for tap's `skip`. */
function skip(): string | false {
  try {
    const version = Number(
      /^systemd (\d+)/.exec(execFileSync('systemd-analyze', ['--version']).toString())?.[1],
    )
    return version >= 250 ? false : `systemd-analyze is of systemd ${version}; security --offline needs 250`
  } catch {
    return 'there is no systemd-analyze'
  }
}

/** The units as they are, but for an executable that is there. */
function units(dir: string): string[] {
  const service = join(dir, 'kube-audit-proxy.service')
  const socket = join(dir, 'kube-audit-proxy.socket')
  writeFileSync(
    service,
    SERVICE.replace(/^ExecStart=kube-audit-proxy /m, `ExecStart=${process.execPath} ${BIN} `),
  )
  copyFileSync(join(UNITS, 'kube-audit-proxy.socket'), socket)
  return [service, socket]
}

void t.test('systemd understands the units', { skip: skip() }, async (t) => {
  const verify = (...files: string[]) => run('systemd-analyze', ['verify', '--man=no', ...files])
  const files = units(t.testdir())
  // It tells of unknown settings and bad values on standard error, and exits with 0 all the same.
  const { stderr } = await verify(...files)
  t.equal(stderr.trim(), '')
  writeFileSync(files[0] as string, SERVICE.replace('Restart=always', 'Restart=sometimes'))
  const bad = await verify(...files).catch((err: { stderr: string }) => err)
  t.match(bad.stderr, /sometimes/)
})

void t.test('the service is confined: exposure under 2.0', { skip: skip() }, async (t) => {
  const [service = ''] = units(t.testdir())
  // The threshold is ten times the exposure; above it the exit code is not 0.
  const { stdout } = await run('systemd-analyze', ['security', '--offline=true', '--threshold=20', service])
  t.match(stdout, /Overall exposure level for kube-audit-proxy\.service: [01]\.\d/)
})

void t.test('the units and the example configuration agree', async (t) => {
  t.match(SERVICE, /^ExecStart=kube-audit-proxy --config=\/etc\/kube-audit-proxy\/kube-audit-proxy\.yaml$/m)
  const port = /^ListenStream=(\d+)$/m.exec(SOCKET)?.[1]
  t.ok(port)
  t.match(CONFIG, new RegExp(`^secure-port: ${port}$`, 'm'))
  for (const [setting, directory] of [
    ['LogsDirectory', '/var/log/'],
    ['StateDirectory', '/var/lib/'],
  ]) {
    const name = new RegExp(`^${setting}=(\\S+)$`, 'm').exec(SERVICE)?.[1]
    t.ok(CONFIG.includes(`${directory}${name}/`), `${directory}${name}/ is used`)
  }
  t.match(SERVICE, /^Type=notify$/m)
  t.match(SERVICE, /^ExecReload=kill -HUP \$MAINPID$/m)
  const stop = Number(/^TimeoutStopSec=(\d+)s$/m.exec(SERVICE)?.[1])
  t.ok(stop > 60, 'longer than the default of --shutdown-timeout')
})
