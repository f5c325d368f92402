import { parseDocument } from 'yaml'
import { ConfigError, errorMessage } from '../errors.js'

/**
 * One YAML mapping of a kubeconfig, read field by field with the types that client-go's structs have. Every mistake is a
 * ConfigError that names the file and the field's path. Fields that nobody asks for are skipped, as client-go skips them.
 */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #file: string
  readonly #path: string

  private constructor(values: Readonly<Record<string, unknown>>, file: string, path: string) {
    this.#values = values
    this.#file = file
    this.#path = path
  }

  /** @throws ConfigError where the text is no YAML mapping */
  static parse(text: string, file: string): Fields {
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent' })
    const [error] = document.errors
    if (error !== undefined) {
      const line = text.slice(0, error.pos[0]).split('\n').length
      // The parser's first line says what; the rest would quote the file, which has secrets.
      throw new ConfigError(`${file}: line ${line}: ${error.message.split('\n')[0]}`)
    }
    let value: unknown
    try {
      value = document.toJS()
    } catch (err) {
      throw new ConfigError(`${file}: ${errorMessage(err).split('\n')[0]}`)
    }
    if (!isMapping(value)) throw new ConfigError(`${file}: expected a kubeconfig, found ${kindOf(value)}`)
    return new Fields(value, file, '')
  }

  /** `FILE: path.of.field`, the start of a message. */
  where(field?: string): string {
    const path = [this.#path, field].filter(Boolean).join('.')
    return path === '' ? this.#file : `${this.#file}: ${path}`
  }

  /** @throws ConfigError */
  fail(field: string, problem: string): never {
    throw new ConfigError(`${this.where(field)}: ${problem}`)
  }

  has(field: string): boolean {
    const value = this.#values[field]
    return value != null && value !== '' && !(Array.isArray(value) && value.length === 0)
  }

  /** Empty and absent are the same, as in Go. */
  string(field: string): string | undefined {
    const value = this.#values[field]
    if (value == null || value === '') return undefined
    if (typeof value === 'string') return value
    return this.fail(field, `found ${kindOf(value)}, expected a string (put it in quotes)`)
  }

  boolean(field: string): boolean {
    const value = this.#values[field] ?? false
    if (typeof value === 'boolean') return value
    return this.fail(field, `found ${kindOf(value)}, expected true or false`)
  }

  /** Base64 of a text. */
  base64(field: string): string | undefined {
    const value = this.string(field)
    if (value === undefined) return undefined
    const compact = value.replace(/[\r\n]/g, '')
    if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) this.fail(field, 'is not base64')
    return Buffer.from(compact, 'base64').toString('utf8')
  }

  strings(field: string): string[] {
    const value = this.#values[field] ?? []
    if (Array.isArray(value) && value.every((v) => typeof v === 'string')) return value
    return this.fail(field, 'expected a list of strings')
  }

  mapping(field: string): Fields | undefined {
    const value = this.#values[field]
    if (value == null) return undefined
    if (!isMapping(value)) this.fail(field, `found ${kindOf(value)}, expected a mapping`)
    return new Fields(value, this.#file, [this.#path, field].filter(Boolean).join('.'))
  }

  /** The mappings of a list. `name` names an entry in messages, instead of its number. */
  list(field: string, name = 'name'): Fields[] {
    const value = this.#values[field] ?? []
    if (!Array.isArray(value)) return this.fail(field, `found ${kindOf(value)}, expected a list`)
    const path = [this.#path, field].filter(Boolean).join('.')
    return value.map((entry: unknown, i) => {
      if (!isMapping(entry))
        throw new ConfigError(`${this.#file}: ${path}[${i}]: found ${kindOf(entry)}, expected a mapping`)
      const label = entry[name]
      return new Fields(entry, this.#file, `${path}[${typeof label === 'string' ? label : i}]`)
    })
  }

  /** As it is, for what the format leaves open (extensions). */
  raw(field: string): unknown {
    return this.#values[field]
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  if (value == null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return `a ${typeof value}`
}
