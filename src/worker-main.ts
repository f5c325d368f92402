// The program of a worker process: serves requests on the port that all workers share, as the primary tells it to.
import cluster from 'node:cluster'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { errorMessage } from './errors.js'
import { newLogger } from './log.js'
import { parseOptions } from './options.js'
import { logUncaught } from './uncaught.js'
import { EVENTS_FD, type FromWorker, type ToWorker } from './workers/messages.js'
import type { Lost } from './workers/remote-intake.js'
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
  const onLost = (lost?: Lost): never => {
    log.error({ ...lost }, 'the primary process is gone: this worker ends, and answers nothing more')
    process.exit(1)
  }
  // Of the two ways to the primary, either may be the first to be seen to have ended. What node:cluster cannot send any more
  // is an error of the process.
  cluster.worker?.on('disconnect', () => onLost())
  process.on('error', () => onLost())
  const stream = new Socket({ fd: EVENTS_FD, readable: true, writable: true })
  return Worker.start(options, start, { stream, log, onLost })
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
