/** Takes what was typed. */
export interface InputSink {
  text(text: string): void
  /** Something was typed that did not come back. */
  withheld(): void
}

/** Characters that may wait for their echo. Nobody types that much unseen; what is pasted is let through. */
const MAX_WAITING = 4096
/** The end of the output in which an echo is looked for, in characters. */
const MAX_ECHO = 8192

// eslint-disable-next-line no-control-regex -- what is typed and makes no mark
const PRINTABLE = /[^\x00-\x1f\x7f]/
const LINE_END = /[\r\n]/
// eslint-disable-next-line no-control-regex -- how full-screen programs begin and end: xterm's alternate screen
const SCREEN = /\x1b\[\?(?:1049|1047|47)([hl])/g

/**
 * Input at a terminal, without what was typed while it did not echo: a password. Characters wait until the terminal sends them
 * back; a line that ends without that is left out. Programs that draw their own screen echo nothing by that rule, so there all
 * is let through. Of what a terminal does not show otherwise (`read -s` with a background job that prints the same letters)
 * nothing can be known here.
 */
export class TypedInput {
  #waiting = ''
  #output = ''
  #fullScreen = false

  readonly #sink: InputSink

  constructor(sink: InputSink) {
    this.#sink = sink
  }

  typed(text: string): void {
    if (this.#fullScreen || (this.#waiting === '' && !PRINTABLE.test(text))) return this.#sink.text(text)
    // A line that has ended and still waits was followed by output without it, or by more input: it did not come back.
    if (LINE_END.test(this.#waiting) && this.#output !== '') this.#withhold()
    this.#waiting += text
    if (this.#waiting.length > MAX_WAITING) this.#pass()
  }

  shown(text: string): void {
    for (const [, end] of text.matchAll(SCREEN)) this.#fullScreen = end === 'h'
    if (this.#waiting === '') return
    this.#output = (this.#output + text).slice(-MAX_ECHO)
    const [typed = ''] = this.#waiting.split(LINE_END, 1)
    const [first = ''] = PRINTABLE.exec(typed) ?? []
    const end = LINE_END.test(this.#waiting)
    // Of a whole line that was sent at once all has to come back; of keys the first that makes a mark.
    if (end ? this.#output.includes(typed) : this.#output.includes(first)) this.#pass()
    else if (end && !endsWithBeginning(this.#output, typed)) this.#withhold()
  }

  /** The session is over: what still waits did not come back. */
  end(): void {
    if (this.#waiting !== '') this.#withhold()
  }

  #pass(): void {
    const text = this.#waiting
    this.#waiting = ''
    this.#output = ''
    this.#sink.text(text)
  }

  #withhold(): void {
    this.#waiting = ''
    this.#output = ''
    this.#sink.withheld()
  }
}

/** Whether the echo of a line has begun, and its rest may still come. */
function endsWithBeginning(output: string, typed: string): boolean {
  for (let i = Math.max(0, output.length - typed.length); i < output.length; i++) {
    if (typed.startsWith(output.slice(i))) return true
  }
  return false
}
