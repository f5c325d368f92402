import { existsSync } from 'node:fs'
import { readPublicKeys, type PublicKey } from '../audit/seal/keys.js'
import { checkLineProof, parseProof, prove } from '../audit/seal/verify/proof.js'
import { formatReport } from '../audit/seal/verify/report.js'
import { verifyLogs } from '../audit/seal/verify/verify.js'
import { readConfigFile } from '../config-files.js'
import { readCommandFlags, type CommandFlags, type CommandUsage } from '../cli/command-flags.js'
import type { Command } from '../cli/commands.js'
import type { Flag } from '../cli/flag.js'
import { ConfigError } from '../errors.js'
import { ProgressBar } from './progress-bar.js'

const group = 'Verify'
const FLAGS = [
  {
    name: 'key',
    type: 'strings',
    default: [],
    group,
    help: 'PEM files with the public keys that are trusted, as seal pubkey prints them. Keys that one of them has signed are, too.',
  },
  {
    name: 'anchors',
    type: 'string',
    default: '',
    group,
    help: 'File with what --audit-seal-anchor has sent to another host: lines, events, or the log of a container. The chain must have all that is in it.',
  },
  {
    name: 'prove',
    type: 'string',
    default: '',
    group,
    help: 'Audit ID: print a proof that its lines were in the log, for somebody who does not have the log.',
  },
  {
    name: 'proof',
    type: 'string',
    default: '',
    group,
    help: 'File with such a proof: check it. No FILE is read.',
  },
  {
    name: 'output',
    shorthand: 'o',
    type: 'string',
    default: 'text',
    group,
    help: 'text or json.',
    validate: (value: string) => (value === 'text' || value === 'json' ? undefined : 'one of text, json'),
  },
] as const satisfies readonly Flag[]

type VerifyFlags = CommandFlags<typeof FLAGS>

export const VERIFY_USAGE: CommandUsage<typeof FLAGS> = {
  name: 'verify',
  synopsis: 'verify --key FILE [FILE|DIRECTORY...] [flags]',
  description: `Compares audit logs with their seals, gzipped or not, in any order, of one proxy or of many. Of a log the seal beside it is
read, too; give all files of a log, for one that is left out is missing. It says of each file whether it is whole, and where not,
which lines were changed, cut off or added, and which files and statements are missing. Lines after the last checkpoint are not
proven yet: that is said, and no problem. Exit code: 0 whole, 1 not whole, 2 bad usage.`,
  examples: [
    'verify --key seal.pub /var/log/kube-audit-proxy/audit*.log*',
    'verify --key seal.pub --anchors anchors.jsonl audit*.log* -o json',
    'verify --key seal.pub --prove 0a1b2c3d-0000-4000-8000-000000000000 audit*.log* >proof.json',
    'verify --key seal.pub --proof proof.json',
  ],
  flags: FLAGS,
}

/** `kube-audit-proxy verify`. */
export const verifyCommand: Command = {
  name: 'verify',
  summary: 'Find out whether sealed audit logs were changed.',
  async run(args) {
    const flags = readCommandFlags(args, VERIFY_USAGE)
    if (flags === undefined) return 0
    const keys = trustedKeys(flags.get('key'), 'verify')
    if (flags.isSet('proof')) return checkProof(flags, keys)
    if (flags.args.length === 0) fail('found no FILE, expected the logs and their seals')
    const bar = new ProgressBar()
    const anchors = flags.get('anchors') || undefined
    if (anchors !== undefined && !existsSync(anchors)) fail(`--anchors: ${anchors}: no such file`)
    const { report, logs } = await verifyLogs({
      paths: flags.args,
      keys,
      anchors,
      onProgress: (read, all) => bar.show(read, all),
    })
    bar.clear()
    if (flags.isSet('prove')) {
      const proof = await prove(flags.get('prove'), logs)
      if (proof.lines.length === 0) {
        process.stderr.write(
          'kube-audit-proxy: verify: no line with that audit ID is sealed in these files\n',
        )
        return 1
      }
      process.stdout.write(`${JSON.stringify(proof, undefined, 2)}\n`)
      return 0
    }
    const json = flags.get('output') === 'json'
    process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report))
    return report.whole ? 0 : 1
  },
}

/**
 * The public keys of the files that --key names.
 * @throws ConfigError
 */
export function trustedKeys(files: readonly string[], command: string): PublicKey[] {
  if (files.length === 0)
    throw new ConfigError(
      `${command}: --key is not set, expected a file with a public key, as seal pubkey prints it`,
    )
  return files.flatMap((file) => readPublicKeys(file, `${command}: --key`))
}

function checkProof(flags: VerifyFlags, keys: readonly PublicKey[]): number {
  if (flags.args.length > 0) fail('--proof and FILE are both given, expected only one of the two')
  const file = flags.get('proof')
  const { auditID, lines } = parseProof(readConfigFile(file, 'verify: --proof'), `verify: --proof: ${file}`)
  let good = lines.length > 0
  const results = lines.map((line) => {
    const result = checkLineProof(line, keys)
    good &&= 'statement' in result
    return { line: line.line, ...result }
  })
  if (flags.get('output') === 'json') {
    process.stdout.write(`${JSON.stringify({ whole: good, auditID, lines: results }, undefined, 2)}\n`)
    return good ? 0 : 1
  }
  for (const result of results) {
    if ('problem' in result) process.stdout.write(`NOT PROVEN: ${result.problem}\n`)
    else {
      const { instance, sequence, time, file: log, line } = result.statement
      const number = line + (lines[results.indexOf(result)]?.index ?? 0) + 1
      process.stdout.write(
        `proven: line ${number} of ${log}, sealed at ${time} (statement ${sequence} of ${instance}):\n${result.line}\n`,
      )
    }
  }
  if (lines.length === 0) process.stdout.write('NOT PROVEN: the proof has no lines\n')
  return good ? 0 : 1
}

function fail(problem: string): never {
  throw new ConfigError(`verify: ${problem}`)
}
