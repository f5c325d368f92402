import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Registry } from 'prom-client'
import type { Backend } from '../../src/audit/backend/backend.js'
import { newAuditBackend } from '../../src/audit/backend/new-audit-backend.js'
import { DeliveryHealth } from '../../src/audit/backend/delivery-health.js'
import type { ConfiguredBackend } from '../../src/audit/backend/plugin.js'
import { configureBackends } from '../../src/audit/backend/registry.js'
import { AuditMetrics } from '../../src/audit/metrics.js'
import { makeEvent } from './audit.js'
import { settingsOf } from './flags.js'
import { memoryLog } from './log.js'

/** What newAuditBackend makes of these backends, and what it reports; no backend where there are none. */
export async function openBackends(configured: readonly ConfiguredBackend[]) {
  const registry = new Registry()
  const { log, lines } = memoryLog()
  const backend = await newAuditBackend(configured, {
    log,
    metrics: new AuditMetrics(registry),
    health: () => new DeliveryHealth(0),
    onReloadable: () => {},
    onFileSeal: () => {},
  })
  const errors = async (plugin: string) => {
    const { values } = await registry.getSingleMetric('apiserver_audit_error_total')!.get()
    return values.find((v) => v.labels.plugin === plugin)?.value ?? 0
  }
  return { backend, lines, errors }
}

/** The backends of these flags. */
export async function backendOf(...flags: string[]) {
  return (await openBackends(configureBackends(settingsOf(flags)))).backend
}

/** The log of `--audit-log-path` and these flags of --audit-log-*, without that prefix; blocking-strict where they do not say. */
export async function openLog(path: string, ...flags: string[]) {
  const all = ['mode=blocking-strict', ...flags].map((flag) => `--audit-log-${flag}`)
  const opened = await openBackends(configureBackends(settingsOf([`--audit-log-path=${path}`, ...all])))
  if (opened.backend === undefined) throw new Error('no backend')
  return { ...opened, backend: opened.backend }
}

/** Sends events `from` to `to - 1`, some at a time, and returns the numbers of those that were not stored. */
export async function sendEvents(
  backend: Backend,
  from: number,
  to: number,
  {
    size = 0,
    concurrency = 20,
    each = () => {},
  }: { size?: number; concurrency?: number; each?: (i: number) => void } = {},
): Promise<number[]> {
  const failed: number[] = []
  const requestObject = size > 0 ? JSON.stringify('x'.repeat(size)) : undefined
  let next = from
  const send = async () => {
    while (next < to) {
      const i = next++
      each(i)
      if (!(await backend.processEvents([makeEvent(i, { level: 'Request', requestObject })]))) failed.push(i)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, send))
  return failed
}

/** The log and what was rotated away from it, the oldest first. */
export function logFiles(path: string): string[] {
  const prefix = basename(path, '.log') + '-'
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(prefix))
  const files = names.sort().map((name) => join(dirname(path), name))
  return existsSync(path) ? [...files, path] : files
}

/** The numbers of the events in these files, line by line. Throws where a line is not an event. */
export function eventNumbers(files: readonly string[]): number[] {
  return files.flatMap((file) => {
    const bytes = readFileSync(file)
    const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    if (text !== '' && !text.endsWith('\n')) throw new Error(`${file} ends within a line`)
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => Number((JSON.parse(line) as { auditID: string }).auditID))
  })
}

/** The whole numbers from 0 to n - 1. */
export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)
