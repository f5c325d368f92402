import { EvaluationError } from '../errors.js'
import { fn, method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, INT, STRING, struct } from '../types.js'
import { Opaque, sizeOf, type Value } from '../values.js'

const SEMVER = struct('kubernetes.Semver')

/** A semantic version. What is after a plus has been checked and counts for nothing. */
class Semver extends Opaque {
  readonly typeName = 'kubernetes.Semver'

  constructor(
    readonly numbers: readonly [bigint, bigint, bigint],
    readonly prerelease: readonly (bigint | string)[],
  ) {
    super()
  }

  equals(other: Value): boolean | undefined {
    return other instanceof Semver ? this.compare(other) === 0 : undefined
  }

  /** @returns -1, 0 or 1 */
  compare(other: Semver): number {
    for (const [i, number] of this.numbers.entries()) {
      const order = ordered(number, other.numbers[i] as bigint)
      if (order !== 0) return order
    }
    const [left, right] = [this.prerelease, other.prerelease]
    if (left.length === 0 || right.length === 0) return Math.sign(right.length - left.length)
    for (const [i, part] of left.entries()) {
      const against = right[i]
      if (against === undefined) return 1
      const order = comparePrerelease(part, against)
      if (order !== 0) return order
    }
    return left.length < right.length ? -1 : 0
  }
}

function ordered<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Numbers come before words. */
function comparePrerelease(a: bigint | string, b: bigint | string): number {
  if (typeof a === 'bigint') return typeof b === 'bigint' ? ordered(a, b) : -1
  return typeof b === 'bigint' ? 1 : ordered(a, b)
}

function refused(): EvaluationError {
  return new EvaluationError('the text is no semantic version')
}

/** A uint64 without zeros in front. */
function number(text: string): bigint {
  if (!/^(0|[1-9]\d{0,19})$/.test(text)) throw refused()
  const value = BigInt(text)
  if (BigInt.asUintN(64, value) !== value) throw refused()
  return value
}

function identifier(text: string): string {
  if (!/^[0-9A-Za-z-]+$/.test(text)) throw refused()
  return text
}

/**
 * github.com/blang/semver Parse.
 *
 * @throws EvaluationError
 */
function parse(text: string): Semver {
  const found = /^(\d+)\.(\d+)\.(\d+)(?:-([^+]*))?(?:\+(.*))?$/s.exec(text)
  if (found === null) throw refused()
  const [, major = '', minor = '', patch = '', prerelease, build] = found
  if (build !== undefined) build.split('.').forEach(identifier)
  const words = prerelease === undefined ? [] : prerelease.split('.')
  return new Semver(
    [number(major), number(minor), number(patch)],
    words.map((word) => (/^\d+$/.test(word) ? number(word) : identifier(word))),
  )
}

/** Without a `v`, with three parts, and without zeros before their numbers (semverlib.go normalizeAndParse). */
function normalized(text: string): string {
  const [major = '', minor, ...rest] = text.replace(/^v/, '').split('.')
  const parts = [
    major,
    ...(minor === undefined ? [] : [minor]),
    ...(rest.length === 0 ? [] : [rest.join('.')]),
  ]
  if (parts.length < 3 && /[+-]/.test(withoutZeros(parts.at(-1) as string))) throw refused()
  return [...parts.map(withoutZeros), '0', '0'].slice(0, 3).join('.')
}

function withoutZeros(part: string): string {
  if (part.length <= 1) return part
  const rest = part.replace(/^0+/, '')
  return /^\d/.test(rest) ? rest : `0${rest}`
}

function toSemver(_meter: Meter, text: string, normalize = false): Semver {
  return parse(normalize ? normalized(text) : text)
}

function isSemver(meter: Meter, text: string, normalize = false): boolean {
  try {
    toSemver(meter, text, normalize)
    return true
  } catch (err) {
    if (err instanceof EvaluationError) return false
    throw err
  }
}

function part(name: string, index: 0 | 1 | 2): Overload {
  return method(name, [SEMVER], INT, (_meter, { numbers }: Semver) => BigInt.asIntN(64, numbers[index]))
}

const parsing = { cost: (text: Value): number => Math.ceil(sizeOf(text) * TRAVERSAL), costsByName: true }
const PAIR = [SEMVER, SEMVER]

/** k8s.io/apiserver/pkg/cel/library semver, version 1. */
export const SEMVERS: readonly Overload[] = [
  fn('semver', [STRING], SEMVER, toSemver, parsing),
  fn('semver', [STRING, BOOL], SEMVER, toSemver, parsing),
  fn('isSemver', [STRING], BOOL, isSemver, parsing),
  fn('isSemver', [STRING, BOOL], BOOL, isSemver, parsing),
  part('major', 0),
  part('minor', 1),
  part('patch', 2),
  method('isGreaterThan', PAIR, BOOL, (_meter, a: Semver, b: Semver) => a.compare(b) > 0),
  method('isLessThan', PAIR, BOOL, (_meter, a: Semver, b: Semver) => a.compare(b) < 0),
  method('compareTo', PAIR, INT, (_meter, a: Semver, b: Semver) => BigInt(a.compare(b))),
]
