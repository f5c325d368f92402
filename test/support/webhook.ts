import { join } from 'node:path'
import { pino } from 'pino'
import { newEventEncoder, newLineEncoder, type EventVersion } from '../../src/audit/encode.js'
import type { Event } from '../../src/audit/event.js'
import { WebhookClient, type WebhookClientOptions } from '../../src/audit/backend/webhook/webhook-client.js'
import type { DeliveryMetrics } from '../../src/audit/backend/delivery-metrics.js'
import type { SpoolProblems } from '../../src/audit/backend/spool/spool-problems.js'
import type { SpooledWebhookDeps } from '../../src/audit/backend/webhook/spooled-webhook.js'
import { loadKubeconfig } from '../../src/kubeconfig/load.js'
import { writeKubeconfigFile } from './kubeconfig.js'
import { Watch } from './watch.js'

/** An event that differs from others by its auditID. */
export function auditEvent(auditID: string | number, fields: Partial<Event> = {}): Event {
  return {
    level: 'Metadata',
    auditID: String(auditID),
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/default/pods?limit=500',
    verb: 'list',
    user: { username: 'alice', groups: ['system:authenticated'] },
    sourceIPs: ['192.0.2.1'],
    userAgent: 'kubectl/v1.20.2',
    responseStatus: { code: 200 },
    requestReceivedTimestamp: 1_700_000_000_000_000,
    stageTimestamp: 1_700_000_000_000_500,
    ...fields,
  }
}

export function auditEvents(from: number, to: number): Event[] {
  return Array.from({ length: to - from }, (_, i) => auditEvent(from + i))
}

/** What kube-apiserver's webhook would post of them: items without kind and apiVersion, which only the list has. */
export function eventList(events: readonly Event[], version: EventVersion = 'audit.k8s.io/v1'): string {
  const items = events.map((event) => {
    const line = newEventEncoder(version)(event)
    return `{${line.slice(`{"kind":"Event","apiVersion":"${version}",`.length)}`
  })
  return `{"kind":"EventList","apiVersion":"${version}","metadata":{},"items":[${items.join(',')}]}`
}

/** Keeps what a backend reports. */
export class RecordedProblems implements SpoolProblems, DeliveryMetrics {
  failedEvents = 0
  droppedEvents = 0
  readonly messages: string[] = []
  readonly batches: boolean[] = []
  deliveries = 0
  retries = 0
  damagedSegments = 0
  /** Of the spool: what it failed with last; undefined while it takes events. */
  spoolProblem: string | undefined
  spoolBytes: (() => number) | undefined
  readonly watch = new Watch()

  failed(events: number, reason: string): void {
    this.failedEvents += events
    this.#say(`failed: ${reason}`)
  }

  dropped(events: number, reason: string): void {
    this.droppedEvents += events
    this.#say(`dropped: ${reason}`)
  }

  trouble(kind: string, reason: string): void {
    this.#say(`${kind}: ${reason}`)
  }

  damaged(segments: number, events: number, reason: string): void {
    this.damagedSegments += segments
    this.failedEvents += events
    this.#say(`damaged: ${reason}`)
  }

  observeDamagedSegments(_plugin: string, segments: number): void {
    this.damagedSegments += segments
  }

  observeBatch(_plugin: string, success: boolean): void {
    this.batches.push(success)
    this.watch.changed()
  }

  observeDelivery(): void {
    this.deliveries++
  }

  observeRetry(): void {
    this.retries++
    this.watch.changed()
  }

  showSpool(_plugin: string, bytes: () => number): () => void {
    this.spoolBytes = bytes
    return () => (this.spoolBytes = undefined)
  }

  #say(message: string): void {
    this.messages.push(message)
    this.watch.changed()
  }
}

let files = 0

/** Writes a kubeconfig with one cluster and one user, and returns its name. */
export function writeKubeconfig(directory: string, cluster: object, user: object = {}): string {
  return writeKubeconfigFile(join(directory, `kubeconfig-${files++}`), cluster, user)
}

/** What a webhook backend for that kubeconfig needs. */
export function webhookDeps(
  kubeconfig: string,
  report: RecordedProblems,
  options: WebhookClientOptions = {},
): SpooledWebhookDeps<Event> {
  const connection = loadKubeconfig(kubeconfig, { log: pino({ level: 'silent' }) })
  return {
    client: new WebhookClient(connection, options),
    encode: newLineEncoder('audit.k8s.io/v1'),
    problems: report,
    metrics: report,
    spoolHealth: {
      succeeded: () => (report.spoolProblem = undefined),
      failed: (reason) => (report.spoolProblem = reason),
    },
  }
}

/** A deadline that does not come. */
export const never = new AbortController().signal

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
