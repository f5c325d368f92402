/** Characters that a line of the proxy's own log has of one value, of its message, and of a stack. */
const MAX_VALUE = 1024
const MAX_MESSAGE = 4096
const MAX_STACK = 8192
/** Values of a list or fields of an object that are kept, and how deep. */
const MAX_ENTRIES = 32
const MAX_DEPTH = 3

/** A value of a log line as short as a line may have it: much of what is logged has a client's words in it. */
export function boundedValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return cut(value, MAX_VALUE)
  if (typeof value !== 'object' || value === null) return value
  // Those have a serializer of their own.
  if (value instanceof Error) return value
  if (depth === MAX_DEPTH) return '...'
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((one) => boundedValue(one, depth + 1))
  const entries = Object.entries(value).slice(0, MAX_ENTRIES)
  return Object.fromEntries(
    entries.map(([name, one]) => [cut(name, MAX_VALUE), boundedValue(one, depth + 1)]),
  )
}

/** The message of a log line, likewise. */
export function boundedMessage(message: string): string {
  return cut(message, MAX_MESSAGE)
}

/** An error as a log line has it: none of the fields that libraries put there, which may hold a request. */
export function boundedError(err: unknown): unknown {
  if (!(err instanceof Error)) return boundedValue(err)
  const { code } = err as NodeJS.ErrnoException
  return {
    type: cut(err.name, MAX_VALUE),
    message: boundedMessage(err.message),
    stack: cut(err.stack ?? '', MAX_STACK),
    ...(code !== undefined && { code: boundedValue(code) }),
  }
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}...(${text.length - max} more)`
}
