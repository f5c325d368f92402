import { FlagValues } from '../../cli/flag-values.js'
import type { Flag, Settings } from '../../cli/flag.js'
import { ConfigError } from '../../errors.js'

/** Where checkpoints can be sent, off this host. */
export const ANCHORS = ['webhook', 'stdout'] as const
export type Anchor = (typeof ANCHORS)[number]

/** --audit-seal-*: how the audit log is sealed. */
export interface SealOptions {
  readonly keyFile: string
  /** Who named the key file, the start of a message. */
  readonly where: string
  /** Milliseconds between checkpoints at most. */
  readonly interval: number
  readonly strict: boolean
  readonly anchors: readonly Anchor[]
}

const GROUP = 'Auditing'

const FLAGS = [
  {
    name: 'audit-seal-key-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the Ed25519 private key (mode 0600; kube-audit-proxy seal keygen makes one) that seals the audit log: statements in a file beside it, with the suffix .seal, by which kube-audit-proxy verify finds what was changed, removed or cut off. A key of before that stands behind it in the file signs the change to it.',
  },
  {
    name: 'audit-seal-interval',
    type: 'duration',
    default: 10_000,
    group: GROUP,
    help: 'Time between two checkpoints of the seal at most. Lines after the last one are not sealed yet.',
  },
  {
    name: 'audit-seal-strict',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Answer a request only after its events are under a checkpoint that is on the disk. Needs --audit-log-mode blocking or blocking-strict.',
  },
  {
    name: 'audit-seal-anchor',
    type: 'strings',
    default: [],
    group: GROUP,
    help: `Where each statement of the seal is sent as well, for \`verify --anchors\`: webhook (as an event of the audit webhook), stdout (as a line). Some of ${ANCHORS.join(',')}.`,
    validate: (values: readonly string[]) =>
      values.every((value) => ANCHORS.some((anchor) => anchor === value))
        ? undefined
        : `only some of ${ANCHORS.join(', ')}`,
  },
] as const satisfies readonly Flag[]

export const SEAL_FLAGS: readonly Flag[] = FLAGS

/**
 * What the flags say; undefined where the log is not to be sealed.
 * @throws ConfigError
 */
export function readSealOptions(settings: Settings): SealOptions | undefined {
  const values = new FlagValues(FLAGS, settings)
  values.needs('audit-seal-strict', 'audit-seal-key-file')
  values.needs('audit-seal-anchor', 'audit-seal-key-file')
  const keyFile = values.text('audit-seal-key-file')
  if (keyFile === undefined) return undefined
  const interval = values.get('audit-seal-interval')
  if (interval < 10)
    throw new ConfigError(
      `${values.where('audit-seal-interval')}: found ${interval}ms, expected at least 10ms`,
    )
  return {
    keyFile,
    where: values.where('audit-seal-key-file'),
    interval,
    strict: values.get('audit-seal-strict'),
    anchors: values.get('audit-seal-anchor') as readonly Anchor[],
  }
}
