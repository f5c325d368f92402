/**
 * A value of a document with its place in the text: what Go's decoders make of YAML and JSON. Numbers keep their text, for
 * messages.
 */
export type Tree = ScalarTree | ListTree | ObjectTree

export interface ScalarTree {
  readonly kind: 'scalar'
  /** Where the value begins in the text, in UTF-16 units. */
  readonly offset: number
  readonly value: string | number | boolean | null
  /** As the document has it. */
  readonly source: string
}

export interface ListTree {
  readonly kind: 'list'
  readonly offset: number
  readonly items: readonly Tree[]
  /** What Go's slice has behind its length; see json-tree.ts. */
  readonly spare?: readonly Tree[]
}

export interface ObjectTree {
  readonly kind: 'object'
  readonly offset: number
  readonly fields: ReadonlyMap<string, FieldTree>
}

export interface FieldTree {
  /** Where the name begins, in UTF-16 units. */
  readonly offset: number
  readonly value: Tree
}

/** Something that a strict decoder refuses and a lenient one accepts. */
export interface TreeProblem {
  readonly offset: number
  /** One line, for where it is refused. */
  readonly message: string
  /** One line, for where it is accepted. */
  readonly ignored: string
}

/** A document as a tree, with what in it is accepted only leniently. */
export interface Parsed {
  readonly root: Tree
  readonly problems: readonly TreeProblem[]
}

/** Why a text is no document at all, and where. */
export class TreeError extends Error {
  override name = 'TreeError'

  constructor(
    message: string,
    /** In UTF-16 units; undefined where the place is not known. */
    readonly offset?: number,
  ) {
    super(message)
  }
}

/** An object that has a name twice. */
export function duplicate(name: string, offset: number): TreeProblem {
  const found = `the field ${quote(name)} a second time`
  return {
    offset,
    message: `found ${found}, expected it once`,
    ignored: `found ${found}; the last one counts, as in kube-apiserver`,
  }
}

/** Text from a file as it may stand in a message: on one line, and not endless. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
