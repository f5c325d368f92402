import { makeEvent, never } from './audit.js'
import { openSealed } from './sealed-log.js'

/*
 * A process that writes events into a sealed log as fast as it can, until it is killed or told to stop by a message.
 *
 * seal-child LOG KEY-FILE FLAG...
 */
const [path = '', file = '', ...flags] = process.argv.slice(2)
const CONCURRENCY = 20

const { backend, lines } = await openSealed(path, { file }, ...flags)
let stopping = false
let next = 0
const requestObject = JSON.stringify('x'.repeat(500))
async function send(): Promise<void> {
  while (!stopping) {
    await backend.processEvents([makeEvent(`${process.pid}-${next++}`, { level: 'Request', requestObject })])
    if (next === 500) process.send?.('writing')
  }
}
process.once('message', () => (stopping = true))
await Promise.all(Array.from({ length: CONCURRENCY }, send))
await backend.shutdown(never)
process.send?.({ lines })
process.disconnect()
