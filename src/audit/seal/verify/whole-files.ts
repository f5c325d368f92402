import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Chain } from './chain.js'
import { pointOf } from './chain-file.js'
import type { FileReport } from './report.js'

/** Compares files with the statements that are about whole files, by their SHA-256. */
export async function checkWholeFiles(
  paths: readonly string[],
  chains: readonly Chain[],
  onRead: (bytes: number) => void,
): Promise<FileReport[]> {
  const statements = chains.flatMap((chain) =>
    chain.statements.map(({ one }) => one.statement).filter(({ type }) => type === 'file'),
  )
  const seen = new Set<string>()
  const reports: FileReport[] = []
  for (const path of paths) {
    const sum = await sha256Of(path, onRead)
    seen.add(sum)
    const found = statements.find(({ sha256 }) => sha256 === sum)
    const named = statements.find(({ path: sealed }) => basename(sealed ?? '') === basename(path))
    if (found !== undefined) {
      const { instance, number, time } = found
      reports.push({ path, instance, number, from: time, to: time, sealedLines: 0, findings: [] })
    } else {
      const message =
        named === undefined ? 'no seal speaks of it' : `it is not what was sealed at ${named.time}`
      const kind = named === undefined ? 'foreign' : 'changed'
      reports.push({ path, sealedLines: 0, findings: [{ kind, problem: true, message }] })
      if (named?.sha256 !== undefined) seen.add(named.sha256)
    }
  }
  if (paths.length === 0) return reports
  for (const statement of statements) {
    const { path = '', sha256 = '', time } = statement
    if (seen.has(sha256)) continue
    const message = `it was sealed at ${time}, and is not there`
    reports.push({
      path,
      sealedLines: 0,
      findings: [{ kind: 'missing', problem: true, message, before: pointOf(statement) }],
    })
  }
  return reports
}

async function sha256Of(path: string, onRead: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256')
  const source = createReadStream(path)
  source.on('data', (chunk) => onRead(chunk.length))
  await pipeline(source, hash)
  return hash.digest('hex')
}
