interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * Changes to JSON text that leave every other character as it is. They may be noted in any order; of two where one
 * contains the other, the outer one is made.
 */
export class JSONEdits {
  readonly #text: string
  readonly #edits: Edit[] = []

  constructor(text: string) {
    this.#text = text
  }

  /** Puts `replacement`, which is JSON text, in place of the value at [start, end). */
  replace(start: number, end: number, replacement: string): void {
    this.#edits.push({ start, end, text: replacement })
  }

  /**
   * Removes the member whose key begins at `key` and whose value ends at `end`, and one comma beside it. At most one
   * member of an object is removed: two neighbours would both take the same comma.
   */
  removeMember(key: number, end: number): void {
    if (this.#text[key - 1] === ',') this.replace(key - 1, end, '')
    else this.replace(key, this.#text[end] === ',' ? end + 1 : end, '')
  }

  /** The text with all the changes made; the text itself where there are none. */
  apply(): string {
    if (this.#edits.length === 0) return this.#text
    this.#edits.sort((a, b) => a.start - b.start || b.end - a.end)
    const parts: string[] = []
    let done = 0
    for (const edit of this.#edits) {
      if (edit.start < done) continue
      parts.push(this.#text.slice(done, edit.start), edit.text)
      done = edit.end
    }
    parts.push(this.#text.slice(done))
    return parts.join('')
  }
}
