import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Microseconds in which a group has its share. Short, so that it shows as a slow CPU rather than as pauses. */
const PERIOD = 100_000

/**
 * A control group of Linux whose processes together have part of the CPU, so that there is some left for whoever loads
 * them. It takes root.
 */
export class CPUShare {
  readonly #directory: string

  /** @param cpus how much CPU time a second they have, in seconds */
  constructor(name: string, cpus: number) {
    const unified = existsSync('/sys/fs/cgroup/cgroup.controllers')
    this.#directory = join('/sys/fs/cgroup', unified ? '' : 'cpu', name)
    const quota = Math.round(cpus * PERIOD)
    if (unified) writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '+cpu')
    mkdirSync(this.#directory, { recursive: true })
    if (unified) this.#write('cpu.max', `${quota} ${PERIOD}`)
    else {
      this.#write('cpu.cfs_period_us', String(PERIOD))
      this.#write('cpu.cfs_quota_us', String(quota))
    }
  }

  /** Takes these processes in. Children that they start later come along. */
  add(pids: readonly number[]): void {
    for (const pid of pids) this.#write('cgroup.procs', String(pid))
  }

  /** To be called when the processes are gone. */
  remove(): void {
    rmdirSync(this.#directory)
  }

  #write(file: string, value: string): void {
    writeFileSync(join(this.#directory, file), value)
  }
}
