// The program of a worker process: serves requests on the port that all workers share, as the primary tells it to.
import { once } from 'node:events'
import { Socket } from 'node:net'
import { errorMessage } from './errors.js'
import { newLogger } from './log.js'
import { parseOptions } from './options.js'
import { logUncaught } from './uncaught.js'
import { EVENTS_FD, type FromWorker, type ToWorker } from './workers/messages.js'
import { Worker } from './workers/worker.js'

// A terminal and systemd send these to every process of a group. A worker ends when the primary says so, or is gone.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

try {
  const worker = await startWorker()
  process.on('message', (message: ToWorker) => void obey(worker, message))
  await tell({ kind: 'serving', address: worker.address, port: worker.port })
} catch (err) {
  await tell({ kind: 'failed', reason: errorMessage(err) })
  process.exit(1)
}

async function startWorker(): Promise<Worker> {
  const told = once(process, 'message') as Promise<[ToWorker]>
  await tell({ kind: 'ready' })
  const [start] = await told
  if (start.kind !== 'start') throw new Error('expected to be started by a primary')
  const stderrIsTerminal = process.stderr.isTTY === true
  const options = parseOptions(process.argv.slice(2), { env: process.env, stderrIsTerminal })
  const log = newLogger(options.log).child({ worker: process.pid })
  logUncaught(log)
  const stream = new Socket({ fd: EVENTS_FD, readable: true, writable: true })
  return Worker.start(options, start, stream, log)
}

async function obey(worker: Worker, message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'start':
      return
    case 'reload':
      await worker.reload(message.name)
      return tell({ kind: 'done', id: message.id })
    case 'metrics':
      return tell({ kind: 'done', id: message.id, metrics: await worker.metrics() })
    case 'shutdown':
      await worker.shutdown()
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
