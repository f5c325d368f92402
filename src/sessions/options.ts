import { atLeast, notNegative } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'

const MODES = ['strict', 'best-effort'] as const
export type RecordingMode = (typeof MODES)[number]

/** Recording of exec and attach. Sizes in bytes, durations in milliseconds; 0 is no limit. */
export interface SessionRecordingOptions {
  /** Who gave the directory, the start of a message. */
  readonly where: string
  readonly path: string
  readonly mode: RecordingMode
  /** Undefined: all sessions are recorded. */
  readonly policyFile: string | undefined
  /** Whether input may be recorded at all. */
  readonly input: boolean
  readonly maxBytes: number
  readonly maxAge: number
  readonly maxTotal: number
  readonly compress: boolean
}

const GROUP = 'Session recording'

export const SESSION_FLAGS = [
  {
    name: 'session-recording-path',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'Directory for recordings of exec and attach, one file per session: YYYY/MM/DD/AUDIT-ID.cast, in asciicast v2. Without it nothing is recorded.',
  },
  {
    name: 'session-recording-policy-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'File that says which sessions are recorded, of kind SessionRecordingPolicy. Without it all are.',
  },
  {
    name: 'session-recording-mode',
    type: 'string',
    default: 'strict',
    group: GROUP,
    help: `What becomes of a session that cannot be recorded: strict refuses it, or ends it with a message; best-effort lets it go on, which its event says. Known modes are ${MODES.join(',')}.`,
  },
  {
    name: 'session-recording-input',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Record what is typed as well. Passwords are typed: what a terminal does not echo is left out as far as that can be known.',
  },
  {
    name: 'session-recording-max-bytes',
    type: 'int',
    default: 1_073_741_824,
    group: GROUP,
    validate: atLeast(0),
    help: 'Bytes of one recording at most, before it is compressed. The mode says what happens then. 0 is no limit.',
  },
  {
    name: 'session-recording-max-age',
    type: 'duration',
    default: 0,
    group: GROUP,
    validate: notNegative,
    help: 'How long finished recordings are kept. 0 keeps them whatever their age.',
  },
  {
    name: 'session-recording-max-total',
    type: 'int',
    default: 0,
    group: GROUP,
    validate: atLeast(0),
    help: 'Bytes of all recordings together; beyond it the oldest finished ones are removed. 0 is no limit.',
  },
  {
    name: 'session-recording-compress',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Compress finished recordings with gzip: AUDIT-ID.cast.gz.',
  },
] as const satisfies readonly Flag[]

/**
 * What the flags say; undefined where nothing is recorded.
 * @throws ConfigError
 */
export function readSessionOptions(settings: Settings): SessionRecordingOptions | undefined {
  const values = new FlagValues(SESSION_FLAGS, settings)
  const mode = values.choice('session-recording-mode', MODES)
  values.needs('session-recording-policy-file', 'session-recording-path')
  values.needs('session-recording-input', 'session-recording-path')
  const path = values.text('session-recording-path')
  if (path === undefined) return undefined
  return {
    where: values.where('session-recording-path'),
    path,
    mode,
    policyFile: values.text('session-recording-policy-file'),
    input: values.get('session-recording-input'),
    maxBytes: values.get('session-recording-max-bytes'),
    maxAge: values.get('session-recording-max-age'),
    maxTotal: values.get('session-recording-max-total'),
    compress: values.get('session-recording-compress'),
  }
}
