import type { Command } from '../cli/commands.js'
import { eventsCommand } from './events.js'
import { kubeconfigCommand } from './kubeconfig.js'
import { policyCommand } from './policy.js'
import { sessionsCommand } from './sessions.js'

/** Everything that is not running the proxy, in the order of `--help`. */
export const COMMANDS: readonly Command[] = [eventsCommand, sessionsCommand, policyCommand, kubeconfigCommand]
