import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The built file beside this one. */
export function script(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url))
}

/** Starts a script that prints its port, and waits for that. */
export async function startScript(name: string, args: readonly string[]): Promise<[ChildProcess, number]> {
  const child = spawn(process.execPath, [script(name), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return [child, Number(line)]
}

/** What a process, with its children or without, has used: CPU in microseconds, resident memory in MiB. */
export function usage(pid: number, children = true): { cpu: number; memory: number } {
  let cpu = 0
  let memory = 0
  for (const id of [pid, ...(children ? childrenOf(pid) : [])]) {
    const stat = readFileSync(`/proc/${id}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // utime and stime in ticks of 10 ms, rss in pages of 4 KiB: proc(5).
    cpu += (Number(fields[11]) + Number(fields[12])) * 10_000
    memory += (Number(fields[21]) * 4096) / 2 ** 20
  }
  return { cpu, memory }
}

/** The processes that a process has started and that are still there. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
      } catch {
        return false
      }
    })
    .map(Number)
}
