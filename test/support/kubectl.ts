import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Apiserver } from './apiservers.js'

/** A kubectl to test with. */
export interface Kubectl {
  readonly path: string
  /** As it says itself, such as v1.20.2. */
  readonly version: string
  /** Why there is nothing to test, for tap's `skip`; false where there is. */
  readonly skip: string | false
}

export interface KubectlResult {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The kubectl beside a kube-apiserver, and the one that KUBECTL_OTHER names, where it is set: an older, or a newer one. */
export function kubectls(apiserver: Apiserver): Kubectl[] {
  const found = [describe(apiserver, join(apiserver.dir, 'kubectl'), 'beside kube-apiserver')]
  const other = process.env['KUBECTL_OTHER'] ?? ''
  if (other !== '') found.push(describe(apiserver, other, 'where KUBECTL_OTHER says'))
  return found
}

/** Runs it to its end. `env` is added to the environment. */
export function runKubectl(
  path: string,
  args: readonly string[],
  stdin = '',
  env: NodeJS.ProcessEnv = {},
): Promise<KubectlResult> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, maxBuffer: 1 << 26 }
    const child = execFile(path, args, options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err })
    })
    // One that fails early does not read its input.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(stdin)
  })
}

function describe(apiserver: Apiserver, path: string, where: string): Kubectl {
  const skip = apiserver.skip || (!existsSync(path) && `no kubectl ${where}`)
  if (skip !== false) return { path, version: where, skip }
  const text = execFileSync(path, ['version', '--client', '--output=json'], { encoding: 'utf8' })
  const { clientVersion } = JSON.parse(text) as { clientVersion: { gitVersion: string } }
  return { path, version: clientVersion.gitVersion, skip }
}
