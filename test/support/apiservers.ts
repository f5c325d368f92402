import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** A kube-apiserver to test with, and what lies beside it. */
export interface Apiserver {
  /** The folder with kube-apiserver and etcd, and maybe kubectl and kubelet-streams. */
  readonly dir: string
  /** As it says itself, such as 1.37.2; where it is missing, the variable that names its folder. */
  readonly version: string
  /** Why there is nothing to test, for tap's `skip`; false where there is. */
  readonly skip: string | false
}

/** The folder that controller-runtime's envtest falls back to. */
const DEFAULT = '/usr/local/kubebuilder/bin'

/**
 * The kube-apiservers that tests run against: the one that KUBEBUILDER_ASSETS names, and the oldest that is supported, which
 * KUBEBUILDER_ASSETS_OLDEST names. One that is missing is among them, with the reason to skip it.
 */
export function apiservers(): Apiserver[] {
  const oldest = process.env['KUBEBUILDER_ASSETS_OLDEST'] ?? ''
  return [newestApiserver(), describe('KUBEBUILDER_ASSETS_OLDEST', oldest)]
}

/** The one that KUBEBUILDER_ASSETS names, for tests to which the version makes no difference. */
export function newestApiserver(): Apiserver {
  return describe('KUBEBUILDER_ASSETS', process.env['KUBEBUILDER_ASSETS'] || DEFAULT)
}

/** Whether its version is this one or later, such as 1.35. */
export function atLeast({ version }: Apiserver, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number)
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

function describe(variable: string, dir: string): Apiserver {
  const there = dir !== '' && ['etcd', 'kube-apiserver'].every((name) => existsSync(join(dir, name)))
  if (!there) {
    return { dir, version: variable, skip: `set ${variable} to a folder with etcd and kube-apiserver` }
  }
  const text = execFileSync(join(dir, 'kube-apiserver'), ['--version'], { encoding: 'utf8' })
  return { dir, version: text.trim().replace(/^Kubernetes v/, ''), skip: false }
}
