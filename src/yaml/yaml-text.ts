import { type Document, parseAllDocuments, visit } from 'yaml'
import { errorMessage } from '../errors.js'
import { TreeError } from './tree.js'

/** Tags say what scalars are; those of lists and objects are ignored, as go-yaml does. */
const IGNORED_ERRORS: readonly string[] = ['TAG_RESOLVE_FAILED', 'BAD_COLLECTION_TYPE']

/** What YAML 1.1 does not allow in a text. A byte order mark may begin it. */
const NOT_ALLOWED = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u

/** What YAML 1.1 ends lines with, besides a line feed. */
const LINE_ENDS = /\r\n|[\r\x85\u2028\u2029]/g

/** A text and what its syntax says. */
export interface YAMLText {
  /** What offsets are in: it has the lines of the text that was read, which may begin further to the right. */
  readonly text: string
  readonly documents: readonly Document[]
}

/** yaml recurses, and a regular expression that V8 compiles at the end of the stack ends the process. */
const MAX_DEPTH = 400

const DEEP_BLOCKS = new RegExp(`^ *(?:[-?][ \\t]+){${MAX_DEPTH}}`, 'm')

/** Brackets in quotes and comments count as well: nobody has so many. */
function checkDepth(text: string): void {
  let depth = 0
  for (const { 0: bracket, index } of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1
    if (depth > MAX_DEPTH) throw new TreeError('is nested too deeply', index)
    if (depth < 0) depth = 0
  }
  const blocks = DEEP_BLOCKS.exec(text)
  if (blocks !== null) throw new TreeError('is nested too deeply', blocks.index)
}

/** No text has more lines than this that are indented less than YAML wants them. */
const MAX_UNINDENTED = 200

const UNINDENTED = /must be sufficiently indented|^Missing closing .quote/

/**
 * Reads the syntax of a text. go-yaml lets the lines of a list in brackets and of a text in quotes begin anywhere, yaml
 * does not. Blanks at the beginning of such a line mean nothing, so that it is given as many as it needs.
 *
 * @throws TreeError
 */
export function readYAML(given: string): YAMLText {
  let text = given.replace(/^\ufeff/, '').replace(LINE_ENDS, '\n')
  checkDepth(text)
  for (let i = 0; ; i++) {
    const documents = parseDocuments(text)
    const error = documents[0]?.errors[0]
    const line =
      error !== undefined && UNINDENTED.test(error.message) && i < MAX_UNINDENTED
        ? lineOf(text, error.pos[0])
        : undefined
    if (line === undefined) return { text, documents }
    text = `${text.slice(0, line)}${' '.repeat(100)}${text.slice(line)}`
  }
}

/**
 * Where the line begins that has an offset behind its blanks, or the next line with anything in it where one ends there;
 * undefined where there is none.
 */
function lineOf(text: string, offset: number): number | undefined {
  const found = offset + text.slice(offset).search(/[^ \t\n]/)
  const line = text.lastIndexOf('\n', found) + 1
  if (found < offset || line === 0 || text.slice(line, found).trim() !== '') return undefined
  return /^(---|\.\.\.)/.test(text.slice(line, line + 3)) ? undefined : line
}

function parseDocuments(text: string): Document[] {
  try {
    const documents = parseAllDocuments(text, {
      version: '1.1',
      schema: 'failsafe', // scalars are resolved as Go does
      uniqueKeys: false, // checked below, in linear time
      prettyErrors: false,
      logLevel: 'silent',
    })
    return [...documents] as Document[]
  } catch (err) {
    throw new TreeError(`cannot be read as YAML: ${oneLine(errorMessage(err))}`)
  }
}

/**
 * Refuses what go-yaml refuses.
 *
 * @throws TreeError
 */
export function checkSyntax(text: string, document: Document): void {
  const { errors, warnings, directives } = document
  const bad = NOT_ALLOWED.exec(text)
  if (bad !== null) throw new TreeError('found a control character, expected YAML or JSON', bad.index)
  const problem =
    errors.find(({ code }) => !IGNORED_ERRORS.includes(code)) ??
    warnings.find(({ code }) => code === 'BAD_DIRECTIVE')
  if (problem !== undefined) throw new TreeError(oneLine(problem.message), problem.pos[0])
  const { explicit, version } = directives?.yaml ?? {}
  if (explicit === true && version !== '1.1') throw new TreeError(`found YAML ${version}, expected 1.1`, 0)
  checkScalars(document, text)
}

/** What go-yaml refuses and yaml does not: escapes that YAML 1.1 does not have, and lines that a tab indents. */
function checkScalars(document: Document, text: string): void {
  const ranges: (readonly [number, number])[] = []
  const keep = (range: readonly number[] | null | undefined): void => {
    if (range != null) ranges.push([range[0] as number, range[1] as number])
  }
  visit(document, {
    Scalar: (_key, { range, type }) => {
      if (type !== 'PLAIN') keep(range)
      if (type === 'QUOTE_DOUBLE' && range != null) checkEscapes(text.slice(range[0], range[1]), range[0])
    },
    Collection: (_key, { flow, range }) => {
      if (flow === true) keep(range)
    },
  })
  const end = document.range?.[2]
  for (const { index } of text.slice(0, end).matchAll(/^ *\t[ \t]*(?=#|$)/gm)) {
    const free = ranges.some(([from, to]) => index >= from && index < to)
    if (!free) throw new TreeError('found a tab at the beginning of a line, expected blanks', index)
  }
}

/** A backslash before a slash, and half a character. */
function checkEscapes(quoted: string, offset: number): void {
  for (const { 0: escape, index } of quoted.matchAll(/\\(?:(?:u|U0000)[dD][89a-fA-F]|[^])/g)) {
    if (escape === '\\/' || escape.length > 2) throw new TreeError('found an unknown escape', offset + index)
  }
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, ' ').slice(0, 300)
}
