import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A file system of that many KiB, or undefined (and the test is marked as skipped) where this user may not mount one. */
export function mountSmallDisk(t: Test, kib: number): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'small-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    rmdirSync(directory)
    t.pass('this user may not mount a file system', { skip: 'needs mount(8)' })
    return undefined
  }
  t.teardown(() => {
    // Lazily: it goes when the last file is closed.
    execFileSync('umount', ['-l', directory])
    rmdirSync(directory)
  })
  return directory
}
