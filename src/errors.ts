/**
 * A mistake in what the operator gave us: a flag, a policy, a certificate, a kubeconfig. The message is one line that
 * names the file or flag, the field, what was found and what was expected. At start it ends the process with exit code
 * 2; on a reload the old configuration stays in force.
 */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/** The message of anything that was thrown. */
export function errorMessage(err: unknown): string {
  return err instanceof Error ? err.message : String(err)
}
