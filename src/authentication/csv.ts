import { ConfigError } from '../errors.js'

export interface CSVRecord {
  /** Where it begins, from 1. */
  readonly line: number
  readonly fields: readonly string[]
}

/**
 * Comma-separated values as Go's encoding/csv reads them: a field in double quotes may hold commas, line ends and quotes
 * written twice; a quote anywhere else is an error; empty lines are skipped.
 *
 * @param where for messages, which never quote the text
 * @throws ConfigError
 */
export function parseCSV(text: string, where: string): CSVRecord[] {
  const records: CSVRecord[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y
  let line = 1
  let end = 0
  while (end < text.length) {
    const start = line
    const fields: string[] = []
    for (let separator = ','; separator === ',';) {
      field.lastIndex = end
      const match = field.exec(text)
      if (match === null) {
        throw new ConfigError(
          `${where}: line ${line}: a quote stands in a field that is not quoted as a whole, or is never closed`,
        )
      }
      fields.push(match[1] === undefined ? (match[2] as string) : match[1].replaceAll('""', '"'))
      line += match[0].split('\n').length - 1
      end = field.lastIndex
      separator = match[3] as string
    }
    if (fields.length > 1 || fields[0] !== '') records.push({ line: start, fields })
  }
  return records
}
