import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { BodyReader } from '../body-reader.js'
import { newConverters } from '../new-converters.js'
import { Redactor } from '../redact/redactor.js'
import type { ThreadQuestion, ThreadSettings } from './readings.js'

/** A thread that reads bodies, one after the other. What it costs is bounded by whoever has started it. */
function main({ maxBodyBytes, redactionKey }: ThreadSettings): void {
  yieldToOthers()
  const reader = new BodyReader({
    maxBodyBytes,
    redactor: redactionKey === undefined ? undefined : new Redactor(Buffer.from(redactionKey)),
    converters: newConverters(),
  })
  parentPort?.on('message', ({ bytes, question, maxGrowth }: ThreadQuestion) => {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    parentPort?.postMessage(reader.read(body, question, maxGrowth))
  })
}

/** Requests go first. On Linux the priority is this thread's alone. */
function yieldToOthers(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // A sandbox may forbid it.
  }
}

main(workerData as ThreadSettings)
