import { allFlags } from '../../src/cli/commands.js'
import type { Flag, Settings } from '../../src/cli/flag.js'
import { parseArguments } from '../../src/cli/pflag.js'
import { PROXY_FLAGS } from '../../src/options.js'

/** All flags of the proxy. */
export const FLAGS: readonly Flag[] = allFlags(PROXY_FLAGS)

/** What a command line says. */
export function settingsOf(argv: readonly string[]): Settings {
  return parseArguments(argv, FLAGS).settings
}
