import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Apiserver } from './apiservers.js'
import { freePorts, type TestCluster } from './cluster.js'
import { addRunningPod } from './node.js'

const PROGRAM = 'kubelet-streams'
const STARTS_WITHIN = 20_000

/** Why there is no kubelet-streams to test with, for tap's `skip`; false where there is. */
export function noKubeletStreams({ dir, skip }: Apiserver): string | false {
  return skip || (!existsSync(join(dir, PROGRAM)) && `there is no ${PROGRAM} beside kube-apiserver`)
}

/**
 * The kubelet's own code for exec, attach, port-forward and logs (k8s.io/cri-streaming), in a process of its own: a container
 * is a process of this machine, and attach is connected to a `cat`. Makes a node `real` and a running pod `real` in
 * `namespace`, whose kubelet it is, and ends with the test. Answers the process.
 */
export async function startKubeletStreams(
  t: Test,
  cluster: TestCluster,
  { dir }: Apiserver,
  namespace: string,
): Promise<ChildProcess> {
  const { certFile, keyFile } = cluster.pki.issue(cluster.ca, {
    name: PROGRAM,
    cn: 'system:node:real',
    ip: ['127.0.0.1'],
  })
  const [port = 0] = await freePorts(1)
  const args = [`-listen=127.0.0.1:${port}`, `-cert=${certFile}`, `-key=${keyFile}`]
  const child = spawn(join(dir, PROGRAM), args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  // It says that it listens just before it does.
  const deadline = Date.now() + STARTS_WITHIN
  while (!(await accepts(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${PROGRAM} did not start: ${log}`)
    await sleep(20)
  }
  await addRunningPod(cluster, { namespace, pod: 'real', node: 'real', port })
  return child
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
