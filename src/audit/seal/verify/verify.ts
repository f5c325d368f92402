import type { PublicKey } from '../keys.js'
import { isSignedBy, type SignedStatement } from '../statement.js'
import { compareAnchors, readAnchors } from './anchors.js'
import { Chain } from './chain.js'
import type { ChainFile } from './chain-file.js'
import { sortInputs } from './inputs.js'
import { reportOf } from './log-report.js'
import { matchLogs, type Match } from './match.js'
import { count, type ChainReport, type FileReport, type Finding, type Report } from './report.js'
import type { SealedLog } from './sealed-log.js'
import { loadSeal, type Located } from './statements.js'
import { checkWholeFiles } from './whole-files.js'

export interface VerifyOptions {
  /** Logs, seals and directories of them, in any order. */
  readonly paths: readonly string[]
  /** Those that are trusted. */
  readonly keys: readonly PublicKey[]
  /** A file with statements that another system has kept. */
  readonly anchors?: string | undefined
  /** Told how many of how many bytes are read. */
  readonly onProgress?: (read: number, all: number) => void
}

export interface Verified {
  readonly report: Report
  /** The logs whose chain is known, with the lines that are proven. */
  readonly logs: readonly SealedLog[]
}

/**
 * Compares logs with their seals. Rejects with the system's error where a file cannot be opened.
 * @throws ConfigError where a path does not exist
 */
export async function verifyLogs({ paths, keys, anchors, onProgress }: VerifyOptions): Promise<Verified> {
  const inputs = sortInputs(paths)
  let read = 0
  const onRead = (bytes: number): void => onProgress?.((read += bytes), inputs.bytes)

  const located: Located[] = []
  const seals: FileReport[] = []
  for (const path of inputs.seals) {
    const { statements, findings } = await loadSeal(path, onRead)
    located.push(...statements)
    if (findings.length > 0) seals.push({ path, sealedLines: 0, findings })
  }
  const chains = chainsOf(located, keys)
  const matches = await matchLogs(inputs.logs, chains, onRead)
  const wholeFiles = await checkWholeFiles(inputs.others, inputs.hasOthers, chains, onRead)
  const anchored = anchors === undefined ? undefined : await readAnchors(anchors)

  const files = [...inSequence(matches).map((match) => reportNew(match, chains)), ...wholeFiles, ...seals]
  const reports = chains.map((chain) =>
    reportChain(chain, matches, [
      ...(anchored === undefined ? [] : anchorFindings(chain, anchored, anchors as string)),
      ...(inputs.hasOthers ? [] : notCompared(chain)),
    ]),
  )
  reports.push(...unknownInstances(chains, anchored ?? [], keys))
  const whole = ![...files, ...reports].some(({ findings }) => findings.some(({ problem }) => problem))
  return {
    report: { whole, files, chains: reports },
    logs: inSequence(matches).flatMap(({ sealed }) => sealed ?? []),
  }
}

function chainsOf(located: readonly Located[], keys: readonly PublicKey[]): Chain[] {
  const byInstance = new Map<string, Located[]>()
  for (const one of located) {
    const { instance } = one.one.statement
    const same = byInstance.get(instance)
    if (same === undefined) byInstance.set(instance, [one])
    else same.push(one)
  }
  return [...byInstance].map(([instance, found]) => new Chain(instance, found, keys))
}

/** By instance, in the order in which they were written; at the end those that nobody knows. */
function inSequence(matches: readonly Match[]): Match[] {
  const place = ({ sealed }: Match): [string, number] =>
    sealed === undefined ? ['~', 0] : [sealed.file.instance, sealed.file.number]
  return [...matches].sort((a, b) => {
    const [[instance, number], [other, otherNumber]] = [place(a), place(b)]
    return instance === other ? number - otherNumber : instance < other ? -1 : 1
  })
}

/**
 * A log of which nobody speaks yet, where a seal that is not at its end stands beside it: it was begun in the middle of a
 * rotation that a crash has ended.
 */
function reportNew(match: Match, chains: readonly Chain[]): FileReport {
  const report = reportOf(match)
  if (match.sealed !== undefined || match.besideOf === undefined) return report
  const chain = chains.find(({ instance }) => instance === match.besideOf?.instance)
  const isOpen = match.besideOf.ended === undefined && chain?.last?.statement.number === match.besideOf.number
  if (!isOpen) return report
  const message = 'all its lines: begun after the last statement; nothing is proven of them'
  return { ...report, findings: [{ kind: 'unsealed', problem: false, message }] }
}

function reportChain(chain: Chain, matches: readonly Match[], others: readonly Finding[]): ChainReport {
  const found = new Set(matches.map(({ sealed }) => sealed?.file))
  const missing = [...chain.files.values()].flatMap((file) =>
    found.has(file) || file.ranges.length === 0 ? [] : [missingFile(chain, file)],
  )
  return {
    instance: chain.instance,
    statements: chain.statements.length,
    findings: [...chain.findings, ...missing, ...others],
  }
}

function missingFile(chain: Chain, file: ChainFile): Finding {
  const [first, last] = [file.ranges[0], file.ranges.at(-1)]
  const sealed = `${count(file.lines - (first?.line ?? 0), 'line')} sealed from ${first?.time} to ${last?.time}`
  if (chain.isRemoved(file.sequences.last))
    return { kind: 'removed', problem: false, message: `${file.name}: ${sealed}; removed by retention` }
  const message = `${file.name} (file ${file.number}): ${sealed}, between statement ${file.sequences.first} and ${file.sequences.last}`
  return { kind: 'missing', problem: true, message }
}

/** Nobody who verifies logs alone should think that recordings were looked at. */
function notCompared(chain: Chain): Finding[] {
  const files = new Set(chain.statements.flatMap(({ one }) => one.statement.path ?? []))
  if (files.size === 0) return []
  const message = `${count(files.size, 'file')} sealed as a whole, such as recordings: no directory of them was given`
  return [{ kind: 'note', problem: false, message }]
}

function anchorFindings(chain: Chain, anchors: readonly SignedStatement[], path: string): Finding[] {
  const mine = anchors.filter(
    (one) => one.statement.instance === chain.instance && isSignedBy(one, chain.trusted),
  )
  return compareAnchors(chain, mine, path)
}

/** Chains of which there are anchors and nothing else. */
function unknownInstances(
  chains: readonly Chain[],
  anchors: readonly SignedStatement[],
  keys: readonly PublicKey[],
): ChainReport[] {
  const trusted = new Map(keys.map((key) => [key.id, key]))
  const known = new Set(chains.map(({ instance }) => instance))
  const unknown = new Map<string, number>()
  for (const one of anchors) {
    const { instance } = one.statement
    if (!known.has(instance) && isSignedBy(one, trusted))
      unknown.set(instance, (unknown.get(instance) ?? 0) + 1)
  }
  return [...unknown].map(([instance, statements]) => {
    const message = `${count(statements, 'statement')} of it anchored, and no file of it given`
    return { instance, statements: 0, findings: [{ kind: 'missing', problem: true, message }] }
  })
}
