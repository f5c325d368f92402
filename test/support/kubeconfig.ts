import { writeFileSync } from 'node:fs'
import type { Issued } from './pki.js'

/** The text of a kubeconfig with one cluster and one user. */
export function kubeconfigText(cluster: object, user: object = {}): string {
  const name = 'test'
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster }],
    users: [{ name, user }],
  })
}

/** Writes such a kubeconfig, for its owner's eyes only, and returns the file. */
export function writeKubeconfigFile(file: string, cluster: object, user: object = {}): string {
  writeFileSync(file, kubeconfigText(cluster, user), { mode: 0o600 })
  return file
}

/** A certificate as the user of a kubeconfig. */
export function certificate({ certFile, keyFile }: Pick<Issued, 'certFile' | 'keyFile'>): object {
  return { 'client-certificate': certFile, 'client-key': keyFile }
}
