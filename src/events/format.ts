import type { LoggedEvent } from './logged-event.js'

export interface PrintOptions {
  /** Whether to show the date before the time of day. */
  readonly date?: boolean
  /** Whether to use the terminal's colours. */
  readonly color: boolean
}

/** Widths of the columns, in characters. What is longer pushes the rest to the right; nothing is cut off. */
const WIDTH = { time: 12, stage: 16, level: 15, user: 16, verb: 11, object: 38, code: 3, duration: 7 }

const RESET = '\x1b[0m'
const DIM = '\x1b[2m'
const BOLD = '\x1b[1m'
const GREEN = '\x1b[32m'
const YELLOW = '\x1b[33m'
const RED = '\x1b[31m'

/**
 * One event as one line: time (UTC), stage, level, user, verb, object, status code, time since the request came.
 * Control characters in what a client sent are escaped: they must not reach the terminal.
 */
export function formatEvent(event: LoggedEvent, { color, date = false }: PrintOptions): string {
  const paint = (code: string, text: string) => (color && code !== '' ? `${code}${text}${RESET}` : text)
  const column = (text: string, width: number) => escapeControls(text).padEnd(width)
  const code = event.responseStatus?.code
  return [
    paint(DIM, column(timeText(event.stageTimestamp, date), WIDTH.time)),
    paint(DIM, column(event.stage, WIDTH.stage)),
    paint(DIM, column(event.level, WIDTH.level)),
    paint(BOLD, column(userText(event), WIDTH.user)),
    column(event.verb, WIDTH.verb),
    column(objectText(event), WIDTH.object),
    paint(codeColor(code), column(code === undefined ? '-' : String(code), WIDTH.code)),
    paint(DIM, durationText(event).padStart(WIDTH.duration)),
  ].join('  ')
}

/** Whether to colour what is written to a stream: at a terminal, unless NO_COLOR is set (https://no-color.org). */
export function wantsColor(isTTY: boolean | undefined, env: NodeJS.ProcessEnv): boolean {
  return isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
}

function timeText(timestamp: string, date: boolean): string {
  const time = timestamp.slice(11, 23)
  return date ? `${timestamp.slice(0, 10)} ${time}` : time
}

/** `bob`, or `alice as bob`. */
function userText({ user, impersonatedUser }: LoggedEvent): string {
  const name = user.username ?? '-'
  return impersonatedUser === undefined ? name : `${name} as ${impersonatedUser.username ?? '-'}`
}

/** `namespace/resource/name/subresource` without what does not apply, or the path of what is no resource. */
function objectText({ objectRef, requestURI }: LoggedEvent): string {
  if (objectRef?.resource === undefined) return requestURI.split('?', 1)[0] ?? ''
  const { namespace, resource, name, subresource } = objectRef
  // A namespace is in its own namespace; that is not worth telling twice.
  const inside = resource === 'namespaces' && namespace === name ? undefined : namespace
  return [inside, resource, name, subresource].filter(Boolean).join('/')
}

function codeColor(code: number | undefined): string {
  if (code === undefined) return ''
  if (code >= 500) return RED
  return code >= 400 ? YELLOW : GREEN
}

function durationText({ requestReceivedTimestamp, stageTimestamp }: LoggedEvent): string {
  const elapsed = microseconds(stageTimestamp) - microseconds(requestReceivedTimestamp)
  if (Number.isNaN(elapsed)) return '-'
  if (elapsed < 100_000) return `${(elapsed / 1000).toFixed(1)}ms`
  return elapsed < 1_000_000 ? `${Math.round(elapsed / 1000)}ms` : `${(elapsed / 1_000_000).toFixed(2)}s`
}

/** Date knows milliseconds only; the log's timestamps have microseconds. */
function microseconds(timestamp: string): number {
  const fraction = /\.(\d{1,6})/.exec(timestamp)?.[1] ?? ''
  return Date.parse(timestamp.replace(/\.\d+/, '')) * 1000 + Number(fraction.padEnd(6, '0'))
}

const UNSEEN =
  // eslint-disable-next-line no-control-regex -- these are what we look for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/g

/** Control characters, and those that turn the direction of text or cannot be seen, as \\uXXXX. */
export function escapeControls(text: string): string {
  return text.replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Whether there is any of what escapeControls escapes. */
export function hasUnseen(text: string): boolean {
  return text.search(UNSEEN) >= 0
}
