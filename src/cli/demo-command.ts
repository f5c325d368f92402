import { runDemo } from '../demo/demo.js'
import { parseCommandLine, type Command } from './commands.js'
import { ConfigError } from '../errors.js'
import { newLogger } from '../log.js'
import { newProxy } from '../server/build.js'

/** `kube-audit-proxy demo`: the real proxy, started with real flags, in front of an apiserver in memory. */
export const demoCommand: Command = {
  name: 'demo',
  summary: 'Show what the proxy writes: no cluster, no root, no network.',
  async run(args) {
    const stop = new AbortController()
    const onSignal = (): void => stop.abort()
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
    try {
      return await runDemo({
        args,
        startProxy,
        stdout: process.stdout,
        stderr: process.stderr,
        env: process.env,
        signal: stop.signal,
      })
    } finally {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    }
  },
}

async function startProxy(flags: string[]): Promise<{ url: string; close(): Promise<void> }> {
  const line = parseCommandLine(flags, {
    commands: [],
    version: '',
    columns: 0,
    env: process.env,
    stderrIsTerminal: true,
  })
  if (line.kind !== 'run') throw new ConfigError('demo: the proxy was given no flags to run with')
  if (line.options.workers !== 1) throw new ConfigError('--workers: the demo runs in one process')
  const log = newLogger('warn', 'text')
  const proxy = await newProxy(line.options, log)
  await proxy.start()
  return { url: `https://127.0.0.1:${proxy.port}`, close: () => proxy.shutdown() }
}
