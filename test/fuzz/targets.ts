import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PKI } from '../support/pki.js'
import { bodies } from './bodies.js'
import { files } from './files.js'
import { requests } from './requests.js'
import type { FuzzTarget } from './target.js'

/** All targets, and what removes their files. */
export function fuzzTargets(): { targets: readonly FuzzTarget[]; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'fuzz-pki-'))
  const der = new X509Certificate(new PKI(dir).ca('ca').cert).raw
  rmSync(dir, { recursive: true })
  const more = files(der)
  return { targets: [...bodies, ...requests, ...more.targets], remove: more.remove }
}
