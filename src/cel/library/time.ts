import { EvaluationError } from '../errors.js'
import { method, type Overload } from '../functions.js'
import type { Meter } from '../meter.js'
import { DURATION, INT, STRING, TIMESTAMP } from '../types.js'
import { type Duration, type Timestamp } from '../values.js'

const DAY = 86_400_000
/** What it takes to find a time in a named zone, in units of a meter. */
const ZONE_WORK = 20_000

/** A moment as a clock and a calendar in some place have it, as if it were in UTC. */
type Getter = (local: Date) => number

const GETTERS: Readonly<Record<string, Getter>> = {
  getFullYear: (local) => local.getUTCFullYear(),
  getMonth: (local) => local.getUTCMonth(),
  getDayOfYear: (local) => {
    const start = new Date(local)
    start.setUTCMonth(0, 1)
    return Math.round((startOfDay(local) - startOfDay(start)) / DAY)
  },
  getDayOfMonth: (local) => local.getUTCDate() - 1,
  getDate: (local) => local.getUTCDate(),
  getDayOfWeek: (local) => local.getUTCDay(),
  getHours: (local) => local.getUTCHours(),
  getMinutes: (local) => local.getUTCMinutes(),
  getSeconds: (local) => local.getUTCSeconds(),
  getMilliseconds: (local) => local.getUTCMilliseconds(),
}

function startOfDay(date: Date): number {
  return new Date(date).setUTCHours(0, 0, 0, 0)
}

function milliseconds({ nanos }: Timestamp): number {
  const rest = ((nanos % 1_000_000n) + 1_000_000n) % 1_000_000n
  return Number((nanos - rest) / 1_000_000n)
}

/**
 * @param zone `+02:00`, or a name of the IANA's time zone database
 * @throws EvaluationError
 */
function inZone(meter: Meter, time: Timestamp, zone: string): Date {
  const at = milliseconds(time)
  if (zone.includes(':')) return new Date(at + offsetOf(zone) * 60_000)
  if (zone === '' || zone === 'UTC') return new Date(at)
  meter.work(ZONE_WORK)
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  } catch {
    throw new EvaluationError(`unknown time zone ${zone}`)
  }
  const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign = '', hours = '0', minutes = '0', seconds = '0'] =
    /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?/.exec(name) ?? []
  const offset = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  return new Date(at + (sign === '-' ? -offset : offset) * 1000)
}

/** Minutes east of UTC, with cel-go's reading: `hours:minutes`, where the sign of the hours is that of both. */
function offsetOf(zone: string): number {
  const [hours = '', minutes = ''] = zone.split(/:(.*)/s)
  if (!/^[+-]?\d{1,4}$/.test(hours) || !/^[+-]?\d{1,4}$/.test(minutes)) {
    throw new EvaluationError(`the time zone ${JSON.stringify(zone)} is none`)
  }
  return Number(hours) * 60 + (hours.startsWith('-') ? -Number(minutes) : Number(minutes))
}

const OF_DURATIONS: Readonly<Record<string, bigint>> = {
  getHours: 3_600_000_000_000n,
  getMinutes: 60_000_000_000n,
  getSeconds: 1_000_000_000n,
  getMilliseconds: 1_000_000n,
}

/** cel-go common/stdlib: the parts of a time, in UTC or in a zone, and of a duration. */
export const TIME: readonly Overload[] = [
  ...Object.entries(GETTERS).flatMap(([name, get]) => [
    method(name, [TIMESTAMP], INT, (_meter, time: Timestamp) => BigInt(get(new Date(milliseconds(time))))),
    method(name, [TIMESTAMP, STRING], INT, (meter, time: Timestamp, zone: string) =>
      BigInt(get(inZone(meter, time, zone))),
    ),
  ]),
  ...Object.entries(OF_DURATIONS).map(([name, unit]) =>
    method(name, [DURATION], INT, (_meter, { nanos }: Duration) => nanos / unit),
  ),
]
