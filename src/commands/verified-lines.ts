import type { PublicKey } from '../audit/seal/keys.js'
import { splitLines } from '../audit/seal/verify/proof.js'
import type { SealedLog } from '../audit/seal/verify/sealed-log.js'
import { verifyLogs } from '../audit/seal/verify/verify.js'
import type { Line } from '../events/lines.js'

/** Logs, as far as their lines are proven to be those that were sealed. */
export class VerifiedLogs {
  /** Whether there is nothing in them to find fault with. */
  readonly isWhole: boolean
  readonly #logs: ReadonlyMap<string, SealedLog>

  private constructor(isWhole: boolean, logs: readonly SealedLog[]) {
    this.isWhole = isWhole
    this.#logs = new Map(logs.map((log) => [log.path, log]))
  }

  /**
   * Compares logs with the seals beside them. Rejects with the system's error.
   * @throws ConfigError where one does not exist
   */
  static async read(paths: readonly string[], keys: readonly PublicKey[]): Promise<VerifiedLogs> {
    const { report, logs } = await verifyLogs({ paths, keys })
    const problems = report.files.filter(({ findings }) => findings.some(({ problem }) => problem))
    return new VerifiedLogs(problems.length === 0, logs)
  }

  /** The lines of one of them, piece by piece; undefined where no seal speaks of it. */
  lines(path: string): AsyncGenerator<Line[]> | undefined {
    const log = this.#logs.get(path)
    return log && linesOf(log)
  }
}

async function* linesOf(log: SealedLog): AsyncGenerator<Line[]> {
  for await (const { bytes } of log.pieces()) yield splitLines(bytes).map((line) => line.toString('utf8'))
}
