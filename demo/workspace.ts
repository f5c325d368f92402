import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { KeyPair } from './certificates.js'

/** A private directory (mode 0700) whose files (0600) are gone at the end. */
export class Workspace {
  private constructor(readonly directory: string) {}

  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'kube-audit-proxy-demo-')))
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Writes a file and returns its path. */
  async write(name: string, content: string): Promise<string> {
    const file = this.path(name)
    await writeFile(file, content, { mode: 0o600 })
    return file
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** A kubeconfig file's text: one cluster, one user. `ca` is PEM. */
export function kubeconfig(
  server: string,
  ca: string,
  user: string,
  credential: KeyPair | { readonly token: string },
): string {
  const base64 = (pem: string) => Buffer.from(pem).toString('base64')
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'demo', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [
      {
        name: user,
        user:
          'token' in credential
            ? { token: credential.token }
            : {
                'client-certificate-data': base64(credential.cert),
                'client-key-data': base64(credential.key),
              },
      },
    ],
    contexts: [{ name: 'demo', context: { cluster: 'demo', user } }],
    'current-context': 'demo',
  })
}
