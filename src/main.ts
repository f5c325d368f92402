#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { parseCommandLine, usageError, USAGE_EXIT_CODE, type Command } from './cli/commands.js'
import type { Options } from './cli/options.js'
import { demoCommand } from './cli/demo-command.js'
import { ConfigError, errorMessage } from './errors.js'
import { newLogger } from './log.js'
import { newProxy } from './server/build.js'
import type { Proxy } from './server/proxy.js'

const COMMANDS: readonly Command[] = [demoCommand]

/** The whole program. Resolves with the exit code: 0 done, 1 failed while running, 2 bad usage or configuration. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    const line = parseCommandLine(argv, {
      commands: COMMANDS,
      version: packageVersion(),
      columns: process.stdout.columns ?? 0,
      env: process.env,
      stderrIsTerminal: process.stderr.isTTY === true,
    })
    switch (line.kind) {
      case 'print':
        process.stdout.write(line.text)
        return 0
      case 'command':
        return await line.command.run(line.args)
      case 'run': {
        const log = newLogger(line.options.log.level, line.options.log.format)
        for (const warning of line.warnings) log.warn(warning)
        return await run(line.options, log)
      }
    }
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    process.stderr.write(usageError(err))
    return USAGE_EXIT_CODE
  }
}

/** Runs the proxy until it is told to stop. */
async function run(options: Options, log: Logger): Promise<number> {
  // Before anything listens, so that no signal finds the process unprepared.
  const stop = firstSignal()
  // A bug outside of any request: nobody knows what state it left behind, but other requests are not to blame for it.
  process.on('uncaughtException', (err) => log.error({ err }, 'uncaught exception'))
  process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'))
  const building = newProxy(options, log)
  const reload = () =>
    building.then(
      (proxy) => proxy.reload(),
      () => {},
    )
  process.on('SIGHUP', () => void reload())
  const proxy = await building
  try {
    await proxy.start()
  } catch (err) {
    log.error(`cannot listen: ${errorMessage(err)}`)
    await proxy.shutdown()
    return 1
  }
  const { port, statusPorts } = proxy
  log.info({ address: options.serving.bindAddress, port, ...statusPorts }, 'serving')
  const signal = await stop
  log.info({ signal }, 'shutting down')
  return shutDown(proxy, log)
}

async function shutDown(proxy: Proxy, log: Logger): Promise<number> {
  await proxy.shutdown()
  log.info('stopped')
  return 0
}

/** The first SIGTERM or SIGINT; the second one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false
    const onSignal = (signal: NodeJS.Signals): void => {
      if (stopping) process.exit(1)
      stopping = true
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

process.exitCode = await main(process.argv.slice(2))
