import { chmodSync, writeFileSync } from 'node:fs'
import { SealKey, readSealKeys } from '../audit/seal/keys.js'
import { fileProblem } from '../config-files.js'
import { readCommandFlags, type CommandUsage } from '../cli/command-flags.js'
import type { Flag } from '../cli/flag.js'
import { ConfigError } from '../errors.js'
import { commandGroup } from './command-group.js'

const KEYGEN_SUMMARY = 'Make a key for --audit-seal-key-file.'
const PUBKEY_SUMMARY = 'Print the public key of such a key.'

const HELP = `Makes the keys that an audit log is sealed with.

Usage:
  kube-audit-proxy seal COMMAND

Commands:
  keygen   ${KEYGEN_SUMMARY}
  pubkey   ${PUBKEY_SUMMARY}
`

const NO_FLAGS = [] as const satisfies readonly Flag[]

export const SEAL_KEYGEN_USAGE: CommandUsage<typeof NO_FLAGS> = {
  name: 'seal keygen',
  synopsis: 'seal keygen FILE',
  description: `Makes an Ed25519 key, writes it to FILE (which must not exist; mode 0600), and prints its public key: keep that on another
host, for verify --key. Whoever has FILE can forge the log.`,
  examples: ['seal keygen /etc/kube-audit-proxy/seal.key >seal.pub'],
  flags: NO_FLAGS,
}

export const SEAL_PUBKEY_USAGE: CommandUsage<typeof NO_FLAGS> = {
  name: 'seal pubkey',
  synopsis: 'seal pubkey FILE',
  description: 'Prints the public key of the key in FILE, the first where it has several.',
  examples: ['seal pubkey /etc/kube-audit-proxy/seal.key >seal.pub'],
  flags: NO_FLAGS,
}

/** `kube-audit-proxy seal keygen|pubkey`. */
export const sealCommand = commandGroup(
  { name: 'seal', summary: 'Make the key that seals an audit log, or print its public key.', help: HELP },
  new Map([
    ['keygen', keygen],
    ['pubkey', pubkey],
  ]),
)

function keygen(args: readonly string[]): number {
  const file = onlyFile(args, SEAL_KEYGEN_USAGE)
  if (file === undefined) return 0
  const key = SealKey.generate()
  try {
    writeFileSync(file, key.toPEM(), { mode: 0o600, flag: 'wx' })
    // Whatever the umask says.
    chmodSync(file, 0o600)
  } catch (err) {
    const exists = (err as NodeJS.ErrnoException).code === 'EEXIST'
    throw new ConfigError(
      `seal keygen: ${file}: ${exists ? 'exists, expected a new file' : fileProblem(err)}`,
    )
  }
  process.stdout.write(key.publicKey.toPEM())
  return 0
}

function pubkey(args: readonly string[]): number {
  const file = onlyFile(args, SEAL_PUBKEY_USAGE)
  if (file === undefined) return 0
  process.stdout.write(readSealKeys(file, 'seal pubkey').current.publicKey.toPEM())
  return 0
}

/** undefined: help was asked for. */
function onlyFile(args: readonly string[], usage: CommandUsage<typeof NO_FLAGS>): string | undefined {
  const flags = readCommandFlags(args, usage)
  if (flags === undefined) return undefined
  const [file, second] = flags.args
  if (file === undefined || second !== undefined)
    throw new ConfigError(`${usage.name}: found ${flags.args.length} arguments, expected one FILE`)
  return file
}
