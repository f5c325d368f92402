import { MAX_LINE_BYTES, type Line } from './lines.js'

/** containerd's and CRI-O's: `2026-01-01T00:00:00.0Z stdout F text`, where P is for a part and F for the last. */
const CRI = /^\d{4}-\d\d-\d\dT\S{1,40} (stdout|stderr) ([A-Za-z:]{1,40}) /

/** Docker's json-file: `{"log":"text\n","stream":"stdout","time":"…"}`, where a part has no newline. */
const DOCKER = '{"log":"'

/** What a part costs besides its text: a hostile log may have a great many. */
const PART_OVERHEAD = 64

/** A part of a line that a container has written. */
interface Part {
  readonly stream: string
  readonly text: string
  readonly last: boolean
}

/** Parts of a line that is not yet whole. */
interface Partial {
  readonly parts: string[]
  length: number
}

/**
 * Takes off what container runtimes put around the lines of a log, and joins those that they have cut. Other lines pass as
 * they are. What it holds is bounded by the longest line, for each of the two streams.
 */
export class ContainerLines {
  readonly #partials = new Map<string, Partial>()

  readonly #maxLength: number

  constructor(maxLength = MAX_LINE_BYTES) {
    this.#maxLength = maxLength
  }

  /** The whole lines that this one makes; undefined is one that was too long. */
  write(lines: readonly Line[]): Line[] {
    return lines.flatMap((line) => {
      const part = line === undefined ? undefined : (parseCRI(line) ?? parseDocker(line))
      return part === undefined ? [line] : this.#join(part)
    })
  }

  /** Lines whose last part never came. */
  end(): Line[] {
    const partials = [...this.#partials.values()]
    this.#partials.clear()
    return partials.map((partial) => this.#text(partial))
  }

  #join({ stream, text, last }: Part): Line[] {
    const partial = this.#partials.get(stream)
    if (partial === undefined && last) return [text]
    const all = partial ?? { parts: [], length: 0 }
    all.length += text.length + PART_OVERHEAD
    if (all.length > this.#maxLength) all.parts.length = 0
    else all.parts.push(text)
    if (!last) {
      this.#partials.set(stream, all)
      return []
    }
    this.#partials.delete(stream)
    return [this.#text(all)]
  }

  #text({ parts, length }: Partial): Line {
    return length > this.#maxLength ? undefined : parts.join('')
  }
}

function parseCRI(line: string): Part | undefined {
  const [head, stream = '', tags = ''] = CRI.exec(line) ?? []
  if (head === undefined) return undefined
  return { stream, text: line.slice(head.length), last: tags.split(':', 1)[0] !== 'P' }
}

function parseDocker(line: string): Part | undefined {
  if (!line.startsWith(DOCKER)) return undefined
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  const { log, stream } = value as { log?: unknown; stream?: unknown }
  if (typeof log !== 'string') return undefined
  const last = log.endsWith('\n')
  // Other streams than these two would be for a hostile log to hold memory with.
  return { stream: stream === 'stderr' ? 'stderr' : 'stdout', text: last ? log.slice(0, -1) : log, last }
}

/** The lines of a log, whole and without what a container runtime has put around them. */
export async function* wholeLines(pieces: AsyncIterable<readonly Line[]>): AsyncGenerator<Line[]> {
  const container = new ContainerLines()
  for await (const lines of pieces) yield container.write(lines)
  yield container.end()
}
