/** How a command ended. */
export interface Exit {
  /** Undefined where nobody said one. */
  readonly exitCode: number | undefined
  readonly reason: string
}

/** Characters of a message that are kept. */
const MAX_REASON = 1024
/** k8s.io/apimachinery/pkg/util/remotecommand. */
const NON_ZERO = 'NonZeroExitCode'

interface Status {
  readonly status?: unknown
  readonly reason?: unknown
  readonly message?: unknown
  readonly details?: { readonly causes?: unknown }
}

/** What the error channel says: a metav1.Status since v4.channel.k8s.io, words before. */
export function readExit(text: string): Exit {
  let status: Status | undefined
  try {
    status = JSON.parse(text) as Status
  } catch {
    status = undefined
  }
  if (status === null || typeof status !== 'object') {
    const code = /exit (?:code|status):? (\d{1,3})\b/.exec(text)?.[1]
    return { exitCode: code === undefined ? undefined : Number(code), reason: text.slice(0, MAX_REASON) }
  }
  if (status.status === 'Success') return { exitCode: 0, reason: 'Success' }
  const nonZero = status.reason === NON_ZERO
  const words = nonZero ? NON_ZERO : (status.message ?? status.reason)
  return {
    exitCode: nonZero ? exitCode(status.details?.causes) : undefined,
    reason: typeof words === 'string' ? words.slice(0, MAX_REASON) : 'Failure',
  }
}

function exitCode(causes: unknown): number | undefined {
  if (!Array.isArray(causes)) return undefined
  for (const cause of causes as ({ reason?: unknown; message?: unknown } | null)[]) {
    if (cause?.reason !== 'ExitCode' || typeof cause.message !== 'string') continue
    return /^\d{1,3}$/.test(cause.message) ? Number(cause.message) : undefined
  }
  return undefined
}
