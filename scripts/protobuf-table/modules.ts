import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'

/** The Go modules that hold the messages of the Kubernetes API. */
const MODULES = ['api', 'apimachinery', 'apiextensions-apiserver', 'kube-aggregator', 'metrics']

/**
 * The folders of these modules at one version, by the module's name without k8s.io/. The go command downloads what it
 * does not have yet.
 */
export function moduleFolders(version: string): ReadonlyMap<string, string> {
  return new Map(
    MODULES.map((name) => {
      // The folder is to have no go.mod: it would have a say in what is downloaded.
      const options = { cwd: tmpdir(), encoding: 'utf8' } as const
      const said = execFileSync('go', ['mod', 'download', '-json', `k8s.io/${name}@${version}`], options)
      return [name, (JSON.parse(said) as { readonly Dir: string }).Dir]
    }),
  )
}
