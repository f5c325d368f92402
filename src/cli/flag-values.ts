import { ConfigError } from '../errors.js'
import type { Flag, Setting, Settings } from './flag.js'
import { FLAGS, type FlagName, type ValueOf } from './flags.js'

/** Reads values by their flags' names, with the flags' types. */
export class Values {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  get<N extends FlagName>(name: N): ValueOf<N> {
    const setting: Setting | undefined = this.#settings.get(name)
    if (setting !== undefined) return setting.value as ValueOf<N>
    const flag = (FLAGS as readonly Flag[]).find((f) => f.name === name) as Flag
    return flag.default as ValueOf<N>
  }

  /** A text that is undefined where it is empty, which is how a flag is unset. */
  text(name: TextFlag): string | undefined {
    return this.get(name) || undefined
  }

  choice<T extends string>(name: TextFlag, allowed: readonly T[]): T {
    const value = this.get(name)
    const found = allowed.find((one) => one === value)
    if (found !== undefined) return found
    throw new ConfigError(
      `${this.where(name)}: found ${JSON.stringify(value)}, expected one of ${allowed.join(', ')}`,
    )
  }

  /** Whether somebody gave a value. */
  isSet(name: FlagName): boolean {
    return this.#settings.has(name)
  }

  /** Who gave the value, the start of a message. */
  where(name: FlagName): string {
    return this.#settings.get(name)?.where ?? `--${name}`
  }
}

/** Flags whose value is a text. */
export type TextFlag = { [N in FlagName]: ValueOf<N> extends string ? N : never }[FlagName]
