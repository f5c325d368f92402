/** What flags expect of their values: functions for Flag.validate, undefined where a value is good. */

export const notNegative = (value: number): string | undefined =>
  value >= 0 ? undefined : 'a duration of 0 or more'

export const atLeast =
  (least: number) =>
  (value: number): string | undefined =>
    value >= least ? undefined : least === 0 ? '0 or more' : `${least} or more`

export const oneOf =
  (allowed: readonly string[]) =>
  (value: string): string | undefined =>
    allowed.includes(value) ? undefined : `one of ${allowed.join(', ')}`

export const unsetOrOneOf =
  (allowed: readonly string[]) =>
  (value: string): string | undefined =>
    value === '' ? undefined : oneOf(allowed)(value)

export const noneEmpty = (value: readonly string[]): string | undefined =>
  value.every((one) => one.trim() !== '') ? undefined : 'no empty values'
