import { randomBytes } from 'node:crypto'
import { ConfigError } from '../src/errors.js'
import { newLogger } from '../src/log.js'
import { parseOptions } from '../src/options.js'
import { newProxy } from '../src/proxy/new-proxy.js'
import { newProtobufDecoder } from './decode-protobuf.js'
import { runDemo } from './demo.js'

/** The real proxy, started with real flags. */
async function startProxy(flags: string[]): Promise<{ url: string; close(): Promise<void> }> {
  const options = parseOptions(flags, { env: process.env, stderrIsTerminal: true })
  const log = newLogger({ level: 'warn', format: 'text' })
  const proxy = await newProxy(options, { log, sockets: {}, redactionKey: randomBytes(32) })
  await proxy.start()
  return { url: `https://127.0.0.1:${proxy.port}`, close: () => proxy.shutdown() }
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
try {
  process.exitCode = await runDemo({
    args: process.argv.slice(2),
    startProxy,
    decodeProtobuf: newProtobufDecoder(),
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
