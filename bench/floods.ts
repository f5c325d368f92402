// What floods cost a client that behaves: its latency while nothing else goes on and during each attack, and the memory of
// the proxy's process at its highest. The aim is a p99 within three times that of quiet, and 400 MiB.
// usage: node build/bench/floods.js [--seconds=20] [--only=ATTACK]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ATTACKS } from './floods/attacks.js'
import type { Door } from './floods/door.js'
import { target, WITH_CERTIFICATE } from './floods/targets.js'
import { openLoop, type Load } from './load.js'
import { StandIn } from '../test/support/stand-in.js'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '20' }, only: { type: 'string', default: '' } },
})
const seconds = Number(values.seconds)
const names = Object.keys(ATTACKS).filter((name) => name.includes(values.only))
if (!(seconds > 0) || names.length === 0) {
  console.error(`--seconds is a number above 0, --only a part of one of: ${Object.keys(ATTACKS).join(', ')}`)
  process.exit(2)
}

const ATTACKER = fileURLToPath(new URL('./floods/attacker.js', import.meta.url))
const RATE = { perSecond: 50, concurrency: 32 }

async function flood(name: string): Promise<{ quiet: Load; flooded: Load; peak: number }> {
  const standIn = await StandIn.start(target(name))
  const request = { ...standIn.as(), path: '/api/v1/namespaces/default/pods' }
  // Code is loaded and compiled, connections are opened.
  await openLoop(request, { seconds: 2, ...RATE })
  const quiet = await openLoop(request, { seconds, ...RATE })
  const { cert, key } = standIn.client({ name: 'mallory', cn: 'mallory' })
  const door: Door = {
    ...{ port: standIn.proxy.port, ca: standIn.ca.cert, seconds: seconds + 2 },
    ...(WITH_CERTIFICATE.includes(name) ? { cert, key } : {}),
  }
  const attacker = spawn(process.execPath, [ATTACKER, name, JSON.stringify(door)], { stdio: 'inherit' })
  const over = once(attacker, 'exit')
  const flooded = await openLoop(request, { seconds, ...RATE })
  const { peak } = standIn.memory()
  await over
  // What hangs would be waited for.
  await standIn.proxy.stop('SIGKILL')
  await standIn.stop()
  return { quiet, flooded, peak }
}

const rows: Record<string, object> = {}
for (const name of names) {
  const { quiet, flooded, peak } = await flood(name)
  rows[name] = {
    'quiet p50 (ms)': quiet.p50.toFixed(1),
    'quiet p99': quiet.p99.toFixed(1),
    'flooded p50': flooded.p50.toFixed(1),
    'flooded p99': flooded.p99.toFixed(1),
    'p99, times quiet': (flooded.p99 / quiet.p99).toFixed(1),
    failed: flooded.failed,
    'peak memory (MiB)': Math.round(peak),
  }
}
console.log(`${seconds} s each, ${RATE.perSecond} requests/s of the client that behaves`)
console.table(rows)
