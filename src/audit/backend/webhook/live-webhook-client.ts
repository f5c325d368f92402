import type { Logger } from 'pino'
import type { ClusterConnection } from '../../../kubeconfig/connection.js'
import { loadKubeconfig } from '../../../kubeconfig/load.js'
import type { Reloadable } from '../../../live/reloadable.js'
import type { EventListBody } from './webhook-body.js'
import {
  WebhookClient,
  type Attempt,
  type EventListClient,
  type WebhookClientOptions,
} from './webhook-client.js'

const FLAG = 'audit-webhook-config-file'

/** The client that one reading of the files gives. */
interface Generation {
  readonly connection: ClusterConnection
  readonly client: WebhookClient
  /** How many attempts are under way. */
  attempts: number
}

/**
 * The receiver that --audit-webhook-config-file names. When the file has changed, or one that it names, the next attempt
 * takes a new client, also the next attempt to deliver what could not be delivered before. An attempt that is under way
 * ends on the client that it began on, so that no event is sent twice for a change of the file.
 */
export class LiveWebhookClient implements EventListClient, Reloadable {
  readonly name = FLAG
  readonly #file: string
  readonly #log: Logger
  readonly #options: WebhookClientOptions
  /** No longer for new attempts, but some are under way. */
  readonly #retired = new Set<Generation>()
  readonly #closing = new Set<Promise<void>>()
  #current: Generation

  /** @throws ConfigError */
  constructor(file: string, log: Logger, options: WebhookClientOptions = {}) {
    this.#file = file
    this.#log = log
    this.#options = options
    this.#current = this.#open()
  }

  get url(): string {
    return this.#current.client.url
  }

  async send(body: EventListBody, abandon: AbortSignal): Promise<Attempt> {
    const generation = this.#current
    generation.attempts++
    try {
      return await generation.client.send(body, abandon)
    } finally {
      generation.attempts--
      if (generation.attempts === 0 && this.#retired.delete(generation)) this.#close(generation)
    }
  }

  /** Those of the credentials as well: they would be read again when they are due, which may be a minute later. */
  files(): string[] {
    const { files, credentials } = this.#current.connection
    return [...files, ...credentials.files]
  }

  reload(): void {
    const old = this.#current
    this.#current = this.#open()
    if (old.attempts > 0) this.#retired.add(old)
    else this.#close(old)
  }

  /** Cuts what is still open. */
  async close(): Promise<void> {
    for (const generation of [this.#current, ...this.#retired]) this.#close(generation)
    this.#retired.clear()
    await Promise.all(this.#closing)
  }

  #open(): Generation {
    const connection = loadKubeconfig(this.#file, { log: this.#log, where: `--${FLAG}` })
    return { connection, client: new WebhookClient(connection, this.#options), attempts: 0 }
  }

  #close({ client }: Generation): void {
    const closed = client.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }
}
