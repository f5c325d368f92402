import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Requests that a server received, each to be answered by the test. */
export class Arrivals extends EventEmitter<{ request: [IncomingMessage, ServerResponse] }> {
  async next(): Promise<[IncomingMessage, ServerResponse]> {
    return (await once(this, 'request')) as [IncomingMessage, ServerResponse]
  }
}
