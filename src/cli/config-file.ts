import { isMap, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import { ConfigError, errorMessage } from '../errors.js'
import { readConfigFile } from '../config-files.js'
import { findFlag, nearest, validateValue, valueType, type Flag, type Settings } from './flag.js'

/**
 * Reads `--config`: a YAML mapping with the flags' names as keys and values of the flags' own types. Durations are
 * strings as on the command line, lists are YAML lists. Paths in it are as on the command line, too: relative to the
 * working directory.
 *
 * @throws ConfigError that names the file, the line and the key
 */
export function readConfig(file: string, flags: readonly Flag[]): Settings {
  const text = readConfigFile(file, '--config')
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    // With `silent` a second document would be skipped without a word.
    logLevel: 'error',
  })
  const lineOf = (offset: number) => `${file}: line ${lines.linePos(offset).line}`
  const [error] = document.errors
  if (error !== undefined) throw new ConfigError(`${lineOf(error.pos[0])}: ${error.message.split('\n')[0]}`)

  const settings: Settings = new Map()
  const { contents } = document
  if (contents === null) return settings
  if (!isMap(contents)) throw new ConfigError(`${file}: expected a mapping with flags as keys`)
  for (const { key, value } of contents.items) {
    const line = lineOf((key as Node).range?.[0] ?? 0)
    const name: unknown = isScalar(key) ? key.value : undefined
    if (typeof name !== 'string') throw new ConfigError(`${line}: expected the name of a flag as key`)
    const flag = findFlag(flags, name)
    if (flag === undefined || flag.commandLineOnly) throw unknownKey(line, name, flags)
    const where = `${line}: ${name}`
    if (settings.has(flag.name)) throw new ConfigError(`${where}: is set twice`)
    const type = valueType(flag)
    const found = plainValue(value, document, where)
    const read = type.fromYaml(found)
    if (read === undefined)
      throw new ConfigError(`${where}: found ${describe(found)}, expected ${type.expected}`)
    validateValue(flag, read, where)
    settings.set(flag.name, { value: read, where })
  }
  return settings
}

/** @throws ConfigError for an alias that stands for nothing, or for too much */
function plainValue(value: Node | null, document: Document, where: string): unknown {
  if (value === null) return null
  try {
    return value.toJS(document, { maxAliasCount: 100 })
  } catch (err) {
    throw new ConfigError(`${where}: ${errorMessage(err).split('\n')[0]}`)
  }
}

function unknownKey(line: string, name: string, flags: readonly Flag[]): ConfigError {
  const names = flags.filter((flag) => !flag.commandLineOnly).map((flag) => flag.name)
  const bare = name.replace(/^-+/, '')
  const like = nearest(bare, names)
  const flag = findFlag(flags, bare)
  if (flag?.commandLineOnly) return new ConfigError(`${line}: ${name}: can only be given on the command line`)
  return new ConfigError(
    `${line}: unknown key: ${name}${like === undefined ? '' : `; did you mean ${like}?`}`,
  )
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return JSON.stringify(value)
}
