import { runDemo } from '../../demo/demo.js'
import { startStandInProxy } from './stand-in-proxy.js'

// The demonstration as a process, for a test to send signals to.
const ending = new AbortController()
const end = () => ending.abort()
process.once('SIGINT', end).once('SIGTERM', end)
const { stdout, stderr, env } = process
process.exitCode = await runDemo({
  args: [],
  startProxy: startStandInProxy,
  stdout,
  stderr,
  env,
  signal: ending.signal,
})
