// The program of a worker process: serves requests on the port that all workers share, as the primary tells it to.
import { once } from 'node:events'
import { Socket } from 'node:net'
import { parseCommandLine } from '../cli/commands.js'
import { errorMessage } from '../errors.js'
import { newLogger } from '../log.js'
import { EVENTS_FD, type FromWorker, type ToWorker } from './messages.js'
import { WorkerServer } from './worker-server.js'

// A terminal and systemd send these to every process of a group. A worker ends when the primary says so, or is gone.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

try {
  const server = await startServer()
  process.on('message', (message: ToWorker) => void obey(server, message))
  await tell({ kind: 'serving', address: server.address, port: server.port })
} catch (err) {
  await tell({ kind: 'failed', reason: errorMessage(err) })
  process.exit(1)
}

async function startServer(): Promise<WorkerServer> {
  const told = once(process, 'message') as Promise<[ToWorker]>
  await tell({ kind: 'ready' })
  const [start] = await told
  const line = parseCommandLine(process.argv.slice(2), {
    commands: [],
    version: '',
    columns: 0,
    env: process.env,
    stderrIsTerminal: process.stderr.isTTY === true,
  })
  if (start.kind !== 'start' || line.kind !== 'run') throw new Error('expected to be started by a primary')
  const { level, format } = line.options.log
  const log = newLogger(level, format).child({ worker: process.pid })
  // A bug outside of any request, as in the process that works alone.
  process.on('uncaughtException', (err) => log.error({ err }, 'uncaught exception'))
  process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'))
  const stream = new Socket({ fd: EVENTS_FD, readable: true, writable: true })
  return WorkerServer.start(line.options, start, stream, log)
}

async function obey(server: WorkerServer, message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'start':
      return
    case 'reload':
      await server.reload(message.name)
      return tell({ kind: 'done', id: message.id })
    case 'metrics':
      return tell({ kind: 'done', id: message.id, metrics: await server.metrics() })
    case 'shutdown':
      await server.shutdown()
      process.exit(0)
  }
}

/** Resolves when the primary has it or is gone. */
function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) resolve()
    else process.send?.(message, undefined, undefined, () => resolve())
  })
}
