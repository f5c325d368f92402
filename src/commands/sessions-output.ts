import { statSync } from 'node:fs'
import { fileProblem } from '../config-files.js'

/** Waits until the reader of standard output can take more, or is gone. */
export async function write(text: string): Promise<void> {
  if (text === '' || process.stdout.write(text) || process.stdout.destroyed) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      process.stdout.off('drain', done).off('error', done).off('close', done)
      resolve()
    }
    process.stdout.once('drain', done).once('error', done).once('close', done)
  })
}

export function warn(name: string, message: string): void {
  process.stderr.write(`kube-audit-proxy: ${name}: ${message}\n`)
}

/** Why there is no such folder; undefined where there is. */
export function folderProblem(path: string): string | undefined {
  try {
    return statSync(path).isDirectory() ? undefined : 'is a file, expected a directory'
  } catch (err) {
    return fileProblem(err)
  }
}
