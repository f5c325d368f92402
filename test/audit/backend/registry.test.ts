import { join } from 'node:path'
import t from 'tap'
import { BACKENDS, configureBackends } from '../../../src/audit/backend/registry.js'
import { parseArguments } from '../../../src/cli/pflag.js'
import { makeEvent, never } from '../../support/audit.js'
import { eventNumbers, openBackends } from '../../support/audit-backend.js'
import { MemoryPlugin } from '../../support/memory-backend.js'

void t.test('a backend of its own: flags, modes, truncation, beside the others', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const table: [name: string, flags: string[]][] = [
    ['ignoreErrors<memory>', []],
    ['memory', ['--audit-memory-mode=blocking-strict']],
    ['buffered<memory>', ['--audit-memory-mode=batch']],
    ['buffered<truncate<memory>>', ['--audit-memory-mode=batch', '--audit-memory-truncate-enabled']],
    ['union[ignoreErrors<log>,ignoreErrors<memory>]', [`--audit-log-path=${path}`]],
  ]
  for (const [name, flags] of table) {
    const memory = new MemoryPlugin()
    const plugins = [...BACKENDS, memory]
    const all = plugins.flatMap((plugin) => plugin.flags)
    const { settings } = parseArguments(['--audit-memory-name=m', ...flags], all)
    const { backend } = await openBackends(configureBackends(settings, plugins))
    t.equal(backend?.name, name)
    t.equal(await backend?.processEvents([makeEvent(1), makeEvent(2)]), true)
    await backend?.shutdown(never)
    const numbers = memory.lines.map((line) => Number((JSON.parse(line) as { auditID: string }).auditID))
    t.same(numbers, [1, 2], name)
  }
  t.same(eventNumbers([path]), [1, 2])
})

void t.test('its mistakes name its flags', async (t) => {
  const memory = new MemoryPlugin()
  const { settings } = parseArguments(['--audit-memory-name=m', '--audit-memory-mode=sync'], memory.flags)
  t.throws(() => configureBackends(settings, [memory]), {
    name: 'ConfigError',
    message: '--audit-memory-mode: found "sync", expected one of batch, blocking, blocking-strict',
  })
})
