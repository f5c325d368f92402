import { printable } from '../printable.js'

type State = 'text' | 'escape' | 'csi' | 'string' | 'string-escape' | 'intermediate'

/**
 * What a terminal was sent as text that is safe to show: without escape sequences (ECMA-48: CSI, OSC, DCS and their like) and
 * other control characters. A sequence may come in pieces. What was written over with a carriage return is a line of its own.
 */
export class PlainText {
  #state: State = 'text'
  #return = false

  write(text: string): string {
    let out = ''
    for (const c of text) out += this.#next(c)
    return out
  }

  #next(c: string): string {
    switch (this.#state) {
      case 'text':
        return this.#text(c)
      case 'escape':
        this.#state = afterEscape(c)
        return ''
      case 'intermediate':
        // ESC ( B: any number of these, and one that ends it.
        if (c < ' ' || c > '/') this.#state = 'text'
        return ''
      case 'csi':
        if (c >= '@' && c <= '~') this.#state = 'text'
        else if (c === '\x1b') this.#state = 'escape'
        return ''
      case 'string':
        if (c === '\x07' || c === '\x9c') this.#state = 'text'
        else if (c === '\x1b') this.#state = 'string-escape'
        return ''
      case 'string-escape':
        this.#state = c === '\\' ? 'text' : afterEscape(c)
        return ''
    }
  }

  #text(c: string): string {
    const returned = this.#return
    this.#return = c === '\r'
    if (c === '\r') return ''
    if (c === '\n') return '\n'
    const before = returned ? '\n' : ''
    if (c === '\x1b') this.#state = 'escape'
    else if (c === '\x9b') this.#state = 'csi'
    else if ('\x90\x98\x9d\x9e\x9f'.includes(c)) this.#state = 'string'
    else if (c === '\t' || printable(c) === c) return before + c
    // What follows decides whether the line was written over.
    this.#return = returned
    return ''
  }
}

function afterEscape(c: string): State {
  if (c === '[') return 'csi'
  if (']PX^_'.includes(c)) return 'string'
  if (c === '\x1b') return 'escape'
  return c >= ' ' && c <= '/' ? 'intermediate' : 'text'
}
