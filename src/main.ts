#!/usr/bin/env node
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { parseCommandLine, usageError, USAGE_EXIT_CODE, type Command } from './cli/commands.js'
import type { Options } from './cli/options.js'
import { eventsCommand } from './commands/events.js'
import { kubeconfigCommand } from './commands/kubeconfig.js'
import { policyCommand } from './commands/policy.js'
import { ConfigError } from './errors.js'
import { newLogger } from './log.js'
import { newProxyParts } from './server/new-proxy.js'
import { Proxy } from './server/proxy.js'
import { Service, type Server } from './service.js'
import { inheritedSockets } from './systemd/listen-fds.js'
import { SystemdService } from './systemd/service.js'
import { Primary } from './workers/primary.js'

const COMMANDS: readonly Command[] = [eventsCommand, policyCommand, kubeconfigCommand]

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
        return await run(line.options, argv, log)
      }
    }
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    process.stderr.write(usageError(err))
    return USAGE_EXIT_CODE
  }
}

/** Runs the proxy until it is told to stop. */
async function run(options: Options, argv: readonly string[], log: Logger): Promise<number> {
  // Before anything listens, so that no signal finds the process unprepared.
  const stop = firstSignal()
  // A bug outside of any request: nobody knows what state it left behind, but other requests are not to blame for it.
  process.on('uncaughtException', (err) => log.error({ err }, 'uncaught exception'))
  process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'))
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
  const redactionKey = randomBytes(32)
  const sockets = inheritedSockets(process.env, process.pid)
  const parts = await newProxyParts(options, log, sockets, redactionKey)
  const { workers } = options
  const onLost = (): void => void process.kill(process.pid, 'SIGTERM')
  const proxy: Server =
    workers === 1 ? new Proxy(parts) : new Primary(parts, { workers, args: argv, redactionKey, onLost })
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
