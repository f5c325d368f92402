import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Registry } from 'prom-client'
import type { Backend } from '../../src/audit/backend/backend.js'
import { newAuditBackend } from '../../src/audit/backend/new-audit-backend.js'
import { defaultAuditBackendOptions, type AuditLogOptions } from '../../src/audit/backend/options.js'
import { AuditMetrics } from '../../src/audit/metrics.js'
import { makeEvent } from './audit.js'
import { memoryLog } from './log.js'

/** What newAuditBackend makes of these --audit-log-* options, and what it reports. */
export async function openLog(fields: Partial<AuditLogOptions> & { path: string }) {
  const options = defaultAuditBackendOptions()
  Object.assign(options.log, { mode: 'blocking-strict' }, fields)
  const registry = new Registry()
  const { log, lines } = memoryLog()
  const backend = await newAuditBackend(options, { log, metrics: new AuditMetrics(registry) })
  if (backend === undefined) throw new Error('no backend')
  const errors = async (plugin: string) => {
    const { values } = await registry.getSingleMetric('apiserver_audit_error_total')!.get()
    return values.find((v) => v.labels.plugin === plugin)?.value ?? 0
  }
  return { backend, lines, errors }
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
