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

/** The one of the names that looks most like `name`, for "did you mean"; undefined where none does. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(Math.floor(name.length / 3), Math.min(2, Math.floor(name.length / 2))) + 1
  // A long text is no slip of the finger, and the distance costs the product of the lengths.
  if (name.length > 100) return undefined
  for (const candidate of names) {
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** Levenshtein */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
