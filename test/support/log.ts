import { Writable } from 'node:stream'
import { pino, type Logger } from 'pino'

/** A logger, and what it has written: the parsed lines. */
export function memoryLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
      callback()
    },
  })
  return { log: pino({ level: 'trace', base: null, timestamp: false }, stream), lines }
}
