import { demoCommand } from '../../src/demo/demo.js'
import { startStandInProxy } from './stand-in-proxy.js'

// The demonstration as a process, for a test to send signals to.
process.exitCode = await demoCommand([], startStandInProxy)
