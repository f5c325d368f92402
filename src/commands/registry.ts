import type { Command } from '../cli/commands.js'
import { eventsCommand } from './events.js'
import { kubeconfigCommand } from './kubeconfig.js'
import { policyCommand } from './policy.js'
import { sealCommand } from './seal.js'
import { sessionsCommand } from './sessions.js'
import { verifyCommand } from './verify.js'

/** Everything that is not running the proxy, in the order of `--help`. */
export const COMMANDS: readonly Command[] = [
  eventsCommand,
  verifyCommand,
  sealCommand,
  sessionsCommand,
  policyCommand,
  kubeconfigCommand,
]
