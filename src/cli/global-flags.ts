import type { Flag } from './flag.js'

/** --config: where the rest may stand. */
export const CONFIG_FLAG = {
  name: 'config',
  type: 'string',
  default: '',
  group: 'Generic',
  commandLineOnly: true,
  help: 'YAML file with flags as keys, without their dashes. A flag on the command line wins over the file.',
} as const satisfies Flag

/** What every command line takes. */
export const GLOBAL_FLAGS = [
  {
    name: 'help',
    shorthand: 'h',
    type: 'bool',
    default: false,
    group: 'Global',
    commandLineOnly: true,
    help: 'Print this help and exit.',
  },
  {
    name: 'version',
    type: 'bool',
    default: false,
    group: 'Global',
    commandLineOnly: true,
    help: 'Print the version and exit.',
  },
] as const satisfies readonly Flag[]
