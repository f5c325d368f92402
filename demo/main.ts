import { parseCommandLine } from '../src/cli/commands.js'
import { ConfigError } from '../src/errors.js'
import { newLogger } from '../src/log.js'
import { newProxy } from '../src/server/new-proxy.js'
import { runDemo } from './demo.js'

/** The real proxy, started with real flags. */
async function startProxy(flags: string[]): Promise<{ url: string; close(): Promise<void> }> {
  const line = parseCommandLine(flags, {
    commands: [],
    version: '',
    columns: 0,
    env: process.env,
    stderrIsTerminal: true,
  })
  if (line.kind !== 'run') throw new ConfigError('the proxy was given no flags to run with')
  const proxy = await newProxy(line.options, newLogger('warn', 'text'))
  await proxy.start()
  return { url: `https://127.0.0.1:${proxy.port}`, close: () => proxy.shutdown() }
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
try {
  process.exitCode = await runDemo({
    args: process.argv.slice(2),
    startProxy,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: stop.signal,
  })
} catch (err) {
  if (!(err instanceof ConfigError)) throw err
  process.stderr.write(`demo: error: ${err.message}\n`)
  process.exitCode = 2
}
