import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { configureBackends } from '../../src/audit/backend/registry.js'
import { SealKey } from '../../src/audit/seal/keys.js'
import { formatReport, type Finding, type Report } from '../../src/audit/seal/verify/report.js'
import { verifyLogs } from '../../src/audit/seal/verify/verify.js'
import { openBackends } from './audit-backend.js'
import { settingsOf } from './flags.js'

/** The key of a test, in a file as --audit-seal-key-file wants it. */
export class TestKey {
  readonly key = SealKey.generate()
  readonly file: string

  constructor(directory: string, name = 'seal.key') {
    this.file = join(directory, name)
    writeFileSync(this.file, this.key.toPEM(), { mode: 0o600 })
  }

  get publicKey() {
    return this.key.publicKey
  }
}

/** A log that is sealed, of `--audit-log-path` and these flags, without their `--audit-`; blocking-strict where they do not say. */
export async function openSealed(path: string, key: Pick<TestKey, 'file'>, ...flags: string[]) {
  const all = ['log-mode=blocking-strict', ...flags].map((flag) => `--audit-${flag}`)
  const settings = settingsOf([`--audit-log-path=${path}`, `--audit-seal-key-file=${key.file}`, ...all])
  const opened = await openBackends(configureBackends(settings))
  if (opened.backend === undefined) throw new Error('no backend')
  return { ...opened, backend: opened.backend }
}

/** All that stands in the directory of a log, but for keys. */
export function allFiles(path: string): string[] {
  const directory = dirname(path)
  return readdirSync(directory)
    .filter((name) => name.includes('.log'))
    .map((name) => join(directory, name))
}

export async function verified(
  paths: string | readonly string[],
  keys: TestKey | readonly TestKey[],
  anchors?: string,
): Promise<Report> {
  const all = typeof paths === 'string' ? allFiles(paths) : paths
  const trusted = [keys].flat().map((key) => key.publicKey)
  return (await verifyLogs({ paths: all, keys: trusted, anchors })).report
}

export function findings({ files, chains }: Report): Finding[] {
  return [...files, ...chains].flatMap((one) => one.findings)
}

/** The kinds of what makes it not whole. */
export function problems(report: Report): string[] {
  return findings(report).flatMap(({ problem, kind }) => (problem ? [kind] : []))
}

/** For the message of an assertion. */
export const shown = formatReport
