import type { Event, Level, Stage } from '../audit/event.js'

/** Events as JSON, in which a set is a list. */
type Plain = Omit<Event, 'byPolicy'> & {
  readonly byPolicy?: { readonly level: Level; readonly omitStages: readonly Stage[] } | undefined
}

/** Events as text for another process, which decodeEvents makes events again. */
export function encodeEvents(events: readonly Event[]): string {
  return JSON.stringify(events.every(({ byPolicy }) => byPolicy === undefined) ? events : events.map(plain))
}

export function decodeEvents(text: string): Event[] {
  return (JSON.parse(text) as Plain[]).map((event) => {
    const { byPolicy } = event
    // Most have none, and are not made anew.
    if (byPolicy === undefined) return event as Event
    return { ...event, byPolicy: { level: byPolicy.level, omitStages: new Set(byPolicy.omitStages) } }
  })
}

function plain(event: Event): Plain {
  const { byPolicy } = event
  if (byPolicy === undefined) return event as Plain
  return { ...event, byPolicy: { level: byPolicy.level, omitStages: [...byPolicy.omitStages] } }
}
