/** What one kubectl command should do, by `admin`, in the namespace `e2e` with the Deployment `web` and the ConfigMap `one`. */
export interface Command {
  readonly args: readonly string[]
  readonly stdin?: string
  /** Its exit code; 0 without it. */
  readonly code?: number
  /** What it prints, to standard output or standard error. */
  readonly prints: RegExp
  /** The minor version of Kubernetes 1 in whose kubectl it came. */
  readonly since?: number
}

/** The commands that people use beside get, create, apply and delete. */
export function commands(deployment: string): Command[] {
  const changed = deployment.replace('image: nginx', 'image: nginx:3')
  const settings =
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: e2e}\ndata: {k: v}\n'
  const all: (Omit<Command, 'args'> & { readonly command: string })[] = [
    { command: 'api-resources', prints: /^deployments /m },
    { command: 'api-versions', prints: /^apps\/v1$/m },
    { command: 'cluster-info', prints: /running at/ },
    { command: 'get --raw /readyz', prints: /^ok$/ },
    { command: 'get all -A', prints: /deployment\.apps\/web/ },
    { command: 'explain deployment.spec.replicas', prints: /desired pods/ },
    { command: 'diff -f -', stdin: changed, code: 1, prints: /^\+ +- image: nginx:3$/m },
    { command: 'apply --server-side -f -', stdin: settings, prints: /serverside-applied/ },
    {
      command: 'apply --server-side --field-manager=other -f -',
      stdin: settings.replace('k: v', 'k: w'),
      code: 1,
      prints: /conflict/,
    },
    { command: 'replace -f -', stdin: settings.replace('k: v', 'k: x'), prints: /replaced/ },
    { command: 'label configmap settings a=b', prints: /labeled/ },
    { command: 'annotate configmap settings a=b', prints: /annotated/ },
    { command: 'describe configmap settings', prints: /^Labels: +a=b$/m },
    { command: 'set image deployment/web c=nginx:4', prints: /image updated/ },
    { command: 'rollout restart deployment/web', prints: /restarted/ },
    { command: 'rollout status deployment/web --watch=false', prints: /Waiting for/ },
    { command: 'rollout history deployment/web', prints: /No rollout history found/ },
    { command: 'expose deployment web --port=80', prints: /exposed/ },
    { command: 'autoscale deployment web --max=3', prints: /autoscaled/ },
    { command: 'run shell --image=i', prints: /created/ },
    { command: 'debug shell --image=busybox --attach=false', prints: /debugger-/, since: 25 },
    { command: 'events', prints: /No events found/, since: 26 },
    { command: 'get events', prints: /No resources found/ },
    { command: 'top pods', code: 1, prints: /Metrics API not available/ },
    { command: 'auth can-i --list', prints: /\*\.\*/ },
    { command: 'auth whoami', prints: /kubernetes-admin/, since: 28 },
    { command: 'create token robot', prints: /^ey/, since: 24 },
    {
      command: 'wait --for=jsonpath={.data.k}=x configmap/settings',
      prints: /condition met/,
      since: 24,
    },
    {
      command: 'patch deployment web --subresource=status --type=merge -p {"status":{"replicas":1}}',
      prints: /patched/,
      since: 24,
    },
    { command: 'delete configmaps,services -l a=b', prints: /"settings" deleted/ },
    { command: 'delete pod shell --now --wait=false', prints: /deleted/ },
    { command: 'get nothings', code: 1, prints: /the server doesn't have a resource type/ },
  ]
  return all.map(({ command, ...rest }) => ({ args: command.split(' '), ...rest }))
}
