const PREFIX = 'session.kube-audit-proxy.io/'

/** What the events of a session say of its recording. */
export const SESSION_ANNOTATIONS = {
  /** The recording's path, relative to --session-recording-path. */
  recording: `${PREFIX}recording`,
  /** Of the recording, before it is compressed. */
  bytes: `${PREFIX}bytes`,
  sha256: `${PREFIX}sha256`,
  /** How long the session was, as Go prints durations. */
  duration: `${PREFIX}duration`,
  exitCode: `${PREFIX}exit-code`,
  /** Why not all of it is recorded. */
  incomplete: `${PREFIX}incomplete`,
} as const

export type Annotations = Readonly<Record<string, string>>
