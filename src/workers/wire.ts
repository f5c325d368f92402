import { newEventEncoder } from '../audit/encode.js'
import type { Event, Level, Stage } from '../audit/event.js'
import { decodeLine } from './line.js'

/**
 * How events travel from a worker to the primary. `lines`: as the lines that the primary's backends write, which it then
 * neither reads nor makes. `events`: with all that a backend may ask of an event.
 */
export type WireFormat = 'lines' | 'events'

/** The version of lines that travel. */
export const WIRE_VERSION = 'audit.k8s.io/v1'

/** Events as text for another process, and back. */
export interface Wire {
  encode(event: Event): string
  decode(text: string): Event
}

export function newWire(format: WireFormat): Wire {
  return format === 'lines'
    ? { encode: newEventEncoder(WIRE_VERSION), decode: decodeLine }
    : { encode: encodeWhole, decode: decodeWhole }
}

/** An event as JSON, in which a set is a list. */
type Plain = Omit<Event, 'byPolicy'> & {
  readonly byPolicy?: { readonly level: Level; readonly omitStages: readonly Stage[] } | undefined
}

function encodeWhole(event: Event): string {
  const { byPolicy } = event
  if (byPolicy === undefined) return JSON.stringify(event)
  const { level, omitStages } = byPolicy
  return JSON.stringify({ ...event, byPolicy: { level, omitStages: [...omitStages] } })
}

function decodeWhole(text: string): Event {
  const event = JSON.parse(text) as Plain
  const { byPolicy } = event
  // Most have none, and are not made anew.
  if (byPolicy === undefined) return event as Event
  return { ...event, byPolicy: { level: byPolicy.level, omitStages: new Set(byPolicy.omitStages) } }
}
