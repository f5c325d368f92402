import { printable } from '../printable.js'
import type { PrintOptions } from './format.js'
import type { Rate } from './rate.js'
import type { SummaryReport, TopList } from './summary.js'

const BOLD = '\x1b[1m'
const RED = '\x1b[31m'
const RESET = '\x1b[0m'
const BAR_WIDTH = 50

/** A summary as text for people. */
export function formatSummary(report: SummaryReport, { color }: Pick<PrintOptions, 'color'>): string {
  const paint = (code: string, text: string) => (color ? `${code}${text}${RESET}` : text)
  const { events, requests, failed, first, last } = report
  const stages = Object.entries(report.stages).map(([stage, count]) => {
    return `${printable(stage)} ${number(count)}`
  })
  const lines = [`${paint(BOLD, 'Events')}    ${number(events)}${events > 0 ? `: ${stages.join(', ')}` : ''}`]
  if (first !== undefined && last !== undefined) {
    lines.push(`${paint(BOLD, 'Time')}      ${printable(first)} to ${printable(last)}`)
  }
  const seconds = (Date.parse(last ?? '') - Date.parse(first ?? '')) / 1000
  const average = seconds >= 1 ? `, ${(requests / seconds).toPrecision(3)} a second on average` : ''
  const share = requests === 0 ? '' : ` (${((failed / requests) * 100).toFixed(1)} %)`
  const failures = `${number(failed)} failed${share}`
  lines.push(
    `${paint(BOLD, 'Requests')}  ${number(requests)}${average}; ${failed > 0 ? paint(RED, failures) : failures}`,
  )
  const list = (title: string, top: TopList) => {
    if (top.rows.length > 0) lines.push('', paint(BOLD, heading(title, top)), ...rows(top, paint))
  }
  list('Users', report.users)
  list('Verbs', report.verbs)
  list('Resources', report.resources)
  list('Failures', report.failures)
  if (report.rate.bins.length > 1) {
    lines.push(
      '',
      paint(BOLD, `Requests in each ${widthText(report.rate.width)} (UTC)`),
      ...chart(report.rate),
    )
  }
  return lines.map((line) => `${line}\n`).join('')
}

function heading(title: string, { rows, of, exact }: TopList): string {
  const more = of > rows.length ? ` (${rows.length} of ${number(of)})` : ''
  return `${title}${more}${exact ? '' : ', approximately'}`
}

function rows({ rows }: TopList, paint: (code: string, text: string) => string): string[] {
  const width = Math.max(...rows.map(({ count }) => number(count).length))
  return rows.map(({ key, count, failed }) => {
    const failures = failed > 0 && failed < count ? `  ${paint(RED, `${number(failed)} failed`)}` : ''
    return `  ${number(count).padStart(width)}  ${printable(key)}${failures}`
  })
}

function chart({ width, bins }: Rate): string[] {
  const highest = Math.max(...bins.map(({ count }) => count))
  return bins.map(({ start, count }) => {
    const bar = '█'.repeat(Math.ceil((count / highest) * BAR_WIDTH))
    const time = new Date(start).toISOString()
    const text = width < 60_000 ? time.slice(11, 19) : time.slice(0, 16).replace('T', ' ')
    return `  ${text}  ${bar}${bar === '' ? '' : ' '}${number(count)}`
  })
}

function widthText(milliseconds: number): string {
  const units: readonly [string, number][] = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1000],
  ]
  const [unit, size] = units.find(([, size]) => milliseconds >= size) ?? ['second', 1000]
  const count = milliseconds / size
  return count === 1 ? unit : `${count} ${unit}s`
}

/** 1,234,567 */
function number(value: number): string {
  return value.toLocaleString('en-US')
}
