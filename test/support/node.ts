import type { TestCluster } from './cluster.js'

export interface PodOptions {
  readonly namespace: string
  /** The pod's name; its one container is `c`. */
  readonly pod: string
  readonly node: string
  /** Where the node's kubelet listens, on 127.0.0.1. */
  readonly port: number
  /** What the node's kubelet says that it can (status.declaredFeatures, since 1.35). */
  readonly declaredFeatures?: readonly string[]
}

/** Makes a node with a running pod. kube-apiserver takes everybody's word for that. */
export async function addRunningPod(cluster: TestCluster, options: PodOptions): Promise<void> {
  const { namespace, pod, node, port, declaredFeatures = [] } = options
  await post(cluster, '/api/v1/namespaces', { metadata: { name: namespace } }, 409)
  await post(cluster, '/api/v1/nodes', { metadata: { name: node } })
  await status(cluster, `/api/v1/nodes/${node}`, {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    ...(declaredFeatures.length > 0 && { declaredFeatures }),
  })
  const pods = `/api/v1/namespaces/${namespace}/pods`
  await post(cluster, pods, {
    metadata: { name: pod },
    spec: { nodeName: node, containers: [{ name: 'c', image: 'i', stdin: true }] },
  })
  await status(cluster, `${pods}/${pod}`, { phase: 'Running' })
}

async function post(cluster: TestCluster, path: string, object: object, or = 201): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const made = await cluster.request(path, { method: 'POST', headers, body: JSON.stringify(object) })
  if (made.status !== 201 && made.status !== or) throw new Error(`POST ${path}: ${made.body.toString()}`)
}

async function status(cluster: TestCluster, path: string, status: object): Promise<void> {
  const patched = await cluster.request(`${path}/status`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify({ status }),
  })
  if (patched.status !== 200) throw new Error(`PATCH ${path}/status: ${patched.body.toString()}`)
}
