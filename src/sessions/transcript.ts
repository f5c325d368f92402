import { StringDecoder } from 'node:string_decoder'
import { eventLine, noteLine, type Note, type TerminalSize } from './asciicast.js'
import { OutputText } from './output-text.js'
import { readExit, type Exit } from './exit-status.js'
import type { Channel, ChannelSink } from './session-stream.js'
import { TypedInput } from './typed-input.js'

/** Of what the error channel says, in bytes. */
const MAX_ERROR = 64 * 1024
/** Of one message about the terminal's size. */
const MAX_RESIZE = 1024
const MAX_SIDE = 65_535

export interface TranscriptOptions {
  readonly tty: boolean
  /** Whether input is recorded. */
  readonly input: boolean
  /** Milliseconds since the session's begin. */
  elapsed(): number
  /** Takes a line of the recording. */
  line(line: string): void
  /** The terminal has a size. */
  resized(size: TerminalSize): void
}

/** Turns what the channels of a session carry into the lines of a recording. */
export class Transcript implements ChannelSink {
  readonly #outputs: Readonly<Record<'stdout' | 'stderr', OutputText>>
  /** The stream that the last `o` event was of. */
  #shown = 'stdout'
  readonly #decoder = new StringDecoder('utf8')
  readonly #typed: TypedInput
  readonly #errors: Buffer[] = []
  #errorBytes = 0
  #resize = ''

  readonly #options: TranscriptOptions

  constructor(options: TranscriptOptions) {
    this.#options = options
    this.#outputs = { stdout: this.#output('stdout'), stderr: this.#output('stderr') }
    this.#typed = new TypedInput({
      text: (text) => this.#event('i', text),
      withheld: () => this.note({ kind: 'input-withheld' }),
    })
  }

  data(channel: Channel, bytes: Buffer): void {
    switch (channel) {
      case 'stdout':
      case 'stderr':
        return this.#outputs[channel].push(bytes)
      case 'stdin':
        return this.#input(bytes)
      case 'resize':
        return this.#resized(bytes)
      case 'error':
        if (this.#errorBytes >= MAX_ERROR) return
        this.#errors.push(Buffer.from(bytes))
        this.#errorBytes += bytes.length
    }
  }

  note(note: Note): void {
    this.#options.line(noteLine(this.#options.elapsed(), note))
  }

  /** What the error channel said of how it ended; undefined where it said nothing. */
  get exit(): Exit | undefined {
    return this.#errorBytes === 0 ? undefined : readExit(Buffer.concat(this.#errors).toString('utf8'))
  }

  /**
   * Writes what was held back, and how it ended.
   * @param otherwise why it ended, where the error channel does not say
   */
  end(otherwise: string): Exit {
    this.#outputs.stdout.end()
    this.#outputs.stderr.end()
    this.#typed.end()
    const exit = this.exit ?? { exitCode: undefined, reason: otherwise }
    if (exit.exitCode !== undefined) this.#event('x', String(exit.exitCode))
    this.note({ kind: 'end', ...exit })
    return exit
  }

  #output(stream: 'stdout' | 'stderr'): OutputText {
    return new OutputText(this.#options.tty, {
      text: (text) => {
        if (this.#shown !== stream) this.#event('s', stream)
        this.#shown = stream
        this.#event('o', text)
        if (this.#options.input && this.#options.tty) this.#typed.shown(text)
      },
      binary: (bytes, sha256) => this.note({ kind: 'binary', stream, bytes, sha256 }),
    })
  }

  #input(bytes: Buffer): void {
    if (!this.#options.input) return
    const text = this.#decoder.write(bytes)
    if (text === '') return
    if (this.#options.tty) this.#typed.typed(text)
    else if (!text.includes('\0')) this.#event('i', text)
  }

  /** A stream of objects such as {"Width":80,"Height":24}: k8s.io/client-go/tools/remotecommand TerminalSize. */
  #resized(bytes: Buffer): void {
    this.#resize = (this.#resize + bytes.toString('latin1')).slice(-MAX_RESIZE)
    const end = this.#resize.lastIndexOf('}')
    if (end < 0) return
    const objects = this.#resize.slice(0, end + 1).match(/\{[^{}]*\}/g) ?? []
    this.#resize = this.#resize.slice(end + 1)
    const size = readSize(objects.at(-1) ?? '')
    if (size === undefined) return
    this.#options.resized(size)
    this.#event('r', `${size.width}x${size.height}`)
  }

  #event(code: 'o' | 'i' | 'r' | 'x' | 's', data: string): void {
    this.#options.line(eventLine(this.#options.elapsed(), code, data))
  }
}

function readSize(json: string): TerminalSize | undefined {
  try {
    const { Width: width, Height: height } = JSON.parse(json) as Record<string, unknown>
    return isSide(width) && isSide(height) ? { width, height } : undefined
  } catch {
    return undefined
  }
}

function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= MAX_SIDE
}
