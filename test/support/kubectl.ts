import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TestCluster } from './cluster.js'

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

/** The kubectl beside kube-apiserver, and the one that KUBECTL_OTHER names, where it is set: an older, or a newer one. */
export function kubectls(): Kubectl[] {
  const found = [describe(join(TestCluster.assets() ?? '', 'kubectl'), 'beside kube-apiserver')]
  const other = process.env['KUBECTL_OTHER'] ?? ''
  if (other !== '') found.push(describe(other, 'where KUBECTL_OTHER says'))
  return found
}

/** Runs it to its end. */
export function runKubectl(path: string, args: readonly string[], stdin = ''): Promise<KubectlResult> {
  return new Promise((resolve) => {
    const child = execFile(path, args, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err })
    })
    // One that fails early does not read its input.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(stdin)
  })
}

function describe(path: string, where: string): Kubectl {
  const skip = TestCluster.skip() || (!existsSync(path) && `no kubectl ${where}`)
  if (skip !== false) return { path, version: where, skip }
  const text = execFileSync(path, ['version', '--client', '--output=json'], { encoding: 'utf8' })
  const { clientVersion } = JSON.parse(text) as { clientVersion: { gitVersion: string } }
  return { path, version: clientVersion.gitVersion, skip }
}
