import { ConfigError } from '../errors.js'
import { formatDuration, VALUE_TYPES, type FlagType, type FlagTypes, type ValueType } from './values.js'

interface FlagOf<T extends FlagType> {
  /** Without the dashes. */
  readonly name: string
  readonly type: T
  readonly default: FlagTypes[T]
  readonly help: string
  /** The section of `--help`: "Auditing" is "Auditing flags:". */
  readonly group: string
  /** One letter, without the dash. */
  readonly shorthand?: string
  /** What is expected of the value, where `value` is not that; undefined where it is. */
  validate?(value: FlagTypes[T]): string | undefined
  /** Another name of this flag, which still works but is not shown. */
  readonly deprecatedName?: string
  /** Can only be given on the command line. */
  readonly commandLineOnly?: boolean
}

/** One row of the flag table. */
export type Flag = { [T in FlagType]: FlagOf<T> }[FlagType]

export type FlagValue = FlagTypes[FlagType]

/** A value that somebody gave. */
export interface Setting {
  readonly value: FlagValue
  /** Who gave it, the start of a message: `--secure-port`, or `FILE: line 3: secure-port`. */
  readonly where: string
}

/** What was given, by the flag's own name. */
export type Settings = Map<string, Setting>

/** The flag with that name. As in kube-apiserver `_` may stand for `-` (k8s.io/component-base/cli/flag WordSepNormalizeFunc). */
export function findFlag(flags: readonly Flag[], name: string): Flag | undefined {
  const normal = name.replaceAll('_', '-')
  return flags.find((flag) => flag.name === normal || flag.deprecatedName === normal)
}

/** The reader and printer of a flag's type, for those who have the type as a value only. */
export function valueType(flag: Flag): ValueType<FlagValue> {
  return VALUE_TYPES[flag.type]
}

/** @throws ConfigError where the flag's own validation refuses the value */
export function validateValue(flag: Flag, value: FlagValue, where: string): void {
  const expected = (flag.validate as ((value: FlagValue) => string | undefined) | undefined)?.(value)
  if (expected === undefined) return
  const found = flag.type === 'duration' ? formatDuration(value as number) : JSON.stringify(value)
  throw new ConfigError(`${where}: found ${found}, expected ${expected}`)
}

export { nearest } from '../nearest.js'
