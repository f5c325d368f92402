import type { Socket } from 'node:net'
import { systemTimers, type Timer, type Timers } from '../timers.js'
import type { TunnelControl, TunnelWatcher } from '../tunnel-watcher.js'

/** Milliseconds that a client has to read its last bytes and go. */
const LINGER = 2000

/**
 * Joins two connections as pipe() does, byte for byte, each side's end and slowness being the other's, with somebody who sees
 * the bytes first.
 */
export class Relay implements TunnelControl {
  #held = false
  #inUpstream = false
  #last: Buffer | undefined
  #ended = false
  #linger: Timer | undefined

  readonly #client: Socket
  readonly #upstream: Socket
  readonly #watcher: TunnelWatcher
  readonly #timers: Timers

  constructor(client: Socket, upstream: Socket, watcher: TunnelWatcher, timers: Timers = systemTimers) {
    this.#client = client
    this.#upstream = upstream
    this.#watcher = watcher
    this.#timers = timers
  }

  /**
   * True once the watcher has ended the tunnel: the client is reading its last bytes, and that the upstream is gone means
   * nothing.
   */
  get lingering(): boolean {
    return this.#ended && !this.#client.destroyed
  }

  /**
   * @param headers of the 101: name, value, ...
   * @param guard runs what may throw because of a bug of ours
   */
  start(headers: readonly string[], guard: (action: () => void) => void): void {
    const client = this.#client
    const upstream = this.#upstream
    upstream.on('data', (chunk: Buffer) => guard(() => this.#fromUpstream(chunk)))
    upstream.on('end', () => {
      if (!this.#ended) client.end()
    })
    upstream.on('drain', () => this.#flow(client, upstream))
    client.on('data', (chunk: Buffer) => guard(() => this.#fromClient(chunk)))
    client.on('end', () => {
      if (!this.#ended) upstream.end()
    })
    client.on('drain', () => this.#flow(upstream, client))
    client.on('close', () => this.#linger?.cancel())
    guard(() => this.#watcher.joined(headers, this))
    // A listener alone does not make a connection flow again that was paused.
    if (!this.#held) this.release()
  }

  hold(): void {
    this.#held = true
    this.#client.pause()
    this.#upstream.pause()
  }

  release(): void {
    this.#held = false
    this.#flow(this.#upstream, this.#client)
    this.#flow(this.#client, this.#upstream)
  }

  finish(last: Buffer): void {
    if (this.#last !== undefined) return
    this.#last = last
    if (!this.#inUpstream) this.#finish(last)
  }

  #fromUpstream(chunk: Buffer): void {
    if (this.#ended) return
    this.#inUpstream = true
    const passes = this.#watcher.fromUpstream(chunk)
    this.#inUpstream = false
    if (passes.length > 0 && !this.#client.write(passes)) this.#upstream.pause()
    if (this.#last !== undefined) this.#finish(this.#last)
  }

  #fromClient(chunk: Buffer): void {
    if (this.#ended) return
    this.#watcher.fromClient(chunk)
    // It may have ended the tunnel.
    if (!this.#isEnded() && !this.#upstream.write(chunk)) this.#client.pause()
  }

  #isEnded(): boolean {
    return this.#ended
  }

  #finish(last: Buffer): void {
    if (this.#ended) return
    this.#ended = true
    const client = this.#client
    this.#upstream.destroy()
    client.end(last)
    // What it still sends is read and thrown away: unread, it would cost it what it has yet to read.
    client.resume()
    this.#linger = this.#timers.after(LINGER, () => client.destroy())
  }

  #flow(from: Socket, to: Socket): void {
    if (!this.#held && !to.writableNeedDrain) from.resume()
  }
}
