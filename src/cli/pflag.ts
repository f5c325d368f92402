import { ConfigError } from '../errors.js'
import { quote } from '../go-quote.js'
import {
  findFlag,
  nearest,
  validateValue,
  valueType,
  type Flag,
  type FlagValue,
  type Settings,
} from './flag.js'

export interface ParsedArguments {
  readonly settings: Settings
  /** What is no flag, in its order. */
  readonly args: readonly string[]
  /** One line for each deprecated name that was used. */
  readonly warnings: readonly string[]
}

/**
 * Reads arguments as Go's pflag does (github.com/spf13/pflag flag.go parseArgs): `--flag value`, `--flag=value`,
 * `--bool`, `--bool=false`, `-f value`, `-fvalue`, `-f=value`; `--` ends the flags; flags and other arguments may be
 * mixed. A later value replaces an earlier one, except in lists, which grow.
 *
 * @throws ConfigError
 */
export function parseArguments(argv: readonly string[], flags: readonly Flag[]): ParsedArguments {
  const settings: Settings = new Map()
  const args: string[] = []
  const warnings: string[] = []
  const rest = [...argv]

  const set = (flag: Flag, name: string, text: string) => {
    const type = valueType(flag)
    const value = type.parse(text)
    if (value === undefined) {
      throw new ConfigError(
        `invalid argument ${JSON.stringify(text)} for "${name}" flag: expected ${type.expected}`,
      )
    }
    validateValue(flag, value, name)
    const before = settings.get(flag.name)?.value
    const grows = Array.isArray(value) && before !== undefined
    const all = grows ? ([...(before as unknown[]), ...(value as unknown[])] as FlagValue) : value
    settings.set(flag.name, { value: all, where: name })
    if (flag.deprecatedName !== undefined && name === `--${flag.deprecatedName}`) {
      warnings.push(`Flag ${name} has been deprecated, use --${flag.name} instead`)
    }
  }
  /** The value behind a flag that has none attached. */
  const following = (flag: Flag, problem: string): string => {
    const text = valueType(flag).noOptValue ?? rest.shift()
    if (text === undefined) throw new ConfigError(problem)
    return text
  }

  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      args.push(...rest)
      break
    }
    if (arg.startsWith('--')) {
      const [, name, attached] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) as unknown as [
        string,
        string,
        string | undefined,
      ]
      if (name === '' || name.startsWith('-')) throw new ConfigError(`bad flag syntax: ${onOneLine(arg)}`)
      const flag = findFlag(flags, name)
      if (flag === undefined) throw unknownFlag(name, flags)
      const shown = `--${name.replaceAll('_', '-')}`
      set(flag, shown, attached ?? following(flag, `flag needs an argument: ${shown}`))
    } else if (arg.startsWith('-') && arg !== '-') {
      let letters = arg.slice(1)
      while (letters !== '') {
        const letter = letters[0] as string
        const flag = flags.find((f) => f.shorthand === letter)
        if (flag === undefined) {
          throw new ConfigError(`unknown shorthand flag: '${onOneLine(letter)}' in -${onOneLine(letters)}`)
        }
        const problem = `flag needs an argument: '${letter}' in -${onOneLine(letters)}`
        letters = letters.slice(1)
        let text: string | undefined
        if (letters.startsWith('=') && letters.length > 1) {
          text = letters.slice(1)
        } else if (letters !== '' && valueType(flag).noOptValue === undefined) {
          text = letters
        }
        if (text !== undefined) letters = ''
        set(flag, `-${letter}`, text ?? following(flag, problem))
      }
    } else {
      args.push(arg)
    }
  }
  return { settings, args, warnings }
}

function unknownFlag(name: string, flags: readonly Flag[]): ConfigError {
  const like = nearest(
    name.replaceAll('_', '-'),
    flags.map((flag) => flag.name),
  )
  return new ConfigError(
    `unknown flag: --${onOneLine(name)}${like === undefined ? '' : `; did you mean --${like}?`}`,
  )
}

/** What was given, as it may stand in a message. */
function onOneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => quote(c).slice(1, -1))
}
