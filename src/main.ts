#!/usr/bin/env node
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { parseCommandLine, usageError, USAGE_EXIT_CODE } from './cli/commands.js'
import { COMMANDS } from './commands/registry.js'
import { ConfigError } from './errors.js'
import { newLogger } from './log.js'
import { PROXY_FLAGS, readOptions, type Options } from './options.js'
import { printableLines } from './printable.js'
import { newProxy } from './proxy/new-proxy.js'
import { Service } from './service.js'
import { inheritedSockets } from './systemd/listen-fds.js'
import { SystemdService } from './systemd/service.js'
import { logUncaught } from './uncaught.js'
import { newPrimary } from './workers/new-primary.js'

/** The whole program. Resolves with the exit code: 0 done, 1 failed while running, 2 bad usage or configuration. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    const line = parseCommandLine(argv, {
      flags: PROXY_FLAGS,
      commands: COMMANDS,
      version: packageVersion(),
      columns: process.stdout.columns ?? 0,
    })
    switch (line.kind) {
      case 'print':
        process.stdout.write(line.text)
        return 0
      case 'command':
        return await line.command.run(line.args)
      case 'run': {
        const stderrIsTerminal = process.stderr.isTTY === true
        const options = readOptions(line.settings, { env: process.env, stderrIsTerminal })
        const log = newLogger(options.log)
        for (const warning of line.warnings) log.warn(warning)
        return await run(options, argv, log)
      }
    }
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    process.stderr.write(printableLines(usageError(err)))
    return USAGE_EXIT_CODE
  }
}

/** Runs the proxy until it is told to stop. */
async function run(options: Options, argv: readonly string[], log: Logger): Promise<number> {
  // Before anything listens, so that no signal finds the process unprepared.
  const stop = firstSignal()
  logUncaught(log)
  const building = newService(options, argv, log)
  process.on('SIGHUP', () => {
    building.then((service) => service.reload()).catch(() => {})
  })
  const service = await building
  if (!(await service.start())) return 1
  log.info({ signal: await stop }, 'shutting down')
  await service.shutdown()
  return 0
}

async function newService(options: Options, argv: readonly string[], log: Logger): Promise<Service> {
  const environment = {
    log,
    sockets: inheritedSockets(process.env, process.pid),
    redactionKey: randomBytes(32),
  }
  const onLost = (): void => void process.kill(process.pid, 'SIGTERM')
  const proxy =
    options.workers === 1
      ? await newProxy(options, environment)
      : await newPrimary(options, environment, { args: argv, onLost })
  return new Service(proxy, new SystemdService(process.env, () => proxy.isHealthy(), log), log)
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
