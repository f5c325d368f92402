import { ConfigError } from '../errors.js'
import type { Flag, Setting, Settings } from './flag.js'
import type { FlagTypes } from './values.js'

/** The names of a table's flags. */
export type FlagName<F extends readonly Flag[]> = F[number]['name']
/** The type of one flag's value. */
export type ValueOf<F extends readonly Flag[], N extends FlagName<F>> = FlagTypes[Extract<
  F[number],
  { name: N }
>['type']]
/** Flags whose value is a text. */
export type TextFlag<F extends readonly Flag[]> = Extract<F[number], { type: 'string' | 'ip' }>['name']

/** What the settings say of the flags of one table, with the flags' names and types. */
export class FlagValues<F extends readonly Flag[]> {
  readonly #flags: F
  readonly #settings: Settings
  readonly #prefix: string

  /** @param prefix what the flags' names begin with besides what the table says: see withPrefix */
  constructor(flags: F, settings: Settings, prefix = '') {
    this.#flags = flags
    this.#settings = settings
    this.#prefix = prefix
  }

  /** The value that somebody gave, or the default. */
  get<N extends FlagName<F>>(name: N): ValueOf<F, N> {
    const setting = this.#setting(name)
    const value = setting === undefined ? this.#flag(name).default : setting.value
    return value as ValueOf<F, N>
  }

  /** A text that is undefined where it is empty, which is how a flag is unset. */
  text(name: TextFlag<F>): string | undefined {
    return (this.get(name) as string) || undefined
  }

  /** @throws ConfigError where it is none of `allowed` */
  choice<T extends string>(name: TextFlag<F>, allowed: readonly T[]): T {
    const value = this.get(name) as string
    const found = allowed.find((one) => one === value)
    return found ?? this.fail(name, JSON.stringify(value), `one of ${allowed.join(', ')}`)
  }

  /** Whether somebody gave a value. */
  isSet(name: FlagName<F>): boolean {
    return this.#setting(name) !== undefined
  }

  /** Who gave the value, the start of a message: `--secure-port`, or `FILE: line 3: secure-port`. */
  where(name: FlagName<F>): string {
    return this.#setting(name)?.where ?? `--${this.#prefix}${name}`
  }

  /** @throws ConfigError unless the value is a whole number of at least `least` */
  atLeast(name: FlagName<F>, least: number): void {
    const value = this.get(name) as number
    if (!(Number.isInteger(value) && value >= least))
      this.fail(name, value, `a whole number of at least ${least}`)
  }

  /** @throws ConfigError where the flag is set, which says nothing unless `other` is set as well, and that is not */
  needs(name: FlagName<F>, other: FlagName<F>): void {
    if (!this.isSet(name) || isEmpty(this.get(name)) || !isEmpty(this.get(other))) return
    throw new ConfigError(`${this.where(name)} is set, expected --${this.#prefix}${other} as well`)
  }

  /** @throws ConfigError always */
  fail(name: FlagName<F>, found: string | number, expected: string): never {
    throw new ConfigError(`${this.where(name)}: found ${found}, expected ${expected}`)
  }

  #setting(name: FlagName<F>): Setting | undefined {
    return this.#settings.get(this.#prefix + name)
  }

  #flag(name: FlagName<F>): Flag {
    const flag = this.#flags.find((one) => one.name === name)
    if (flag === undefined) throw new Error(`no flag ${name} in this table`)
    return flag
  }
}

function isEmpty(value: unknown): boolean {
  return value === '' || value === false || (Array.isArray(value) && value.length === 0)
}

/** The table with this before each name: for flags that several of a kind have, `audit-log-mode` and `audit-webhook-mode`. */
export function withPrefix(prefix: string, flags: readonly Flag[]): Flag[] {
  return flags.map((flag) => ({ ...flag, name: prefix + flag.name }))
}
