import type { Overload } from './functions.js'
import { ARITHMETIC } from './library/arithmetic.js'
import { AUTHORIZER_FUNCTIONS } from './library/authorizer.js'
import { COMPARISON } from './library/comparison.js'
import { CONVERSION } from './library/conversion.js'
import { FORMAT } from './library/format.js'
import { IP } from './library/ip.js'
import { LISTS } from './library/lists.js'
import { NAMED_FORMATS } from './library/named-formats.js'
import { OPERATORS } from './library/operators.js'
import { OPTIONALS } from './library/optionals.js'
import { QUANTITIES } from './library/quantity.js'
import { REGEXES } from './library/regex.js'
import { SEMVERS } from './library/semver.js'
import { SETS } from './library/sets.js'
import { STRINGS } from './library/strings.js'
import { TIME } from './library/time.js'
import { URLS } from './library/url.js'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  list,
  map,
  NULL,
  optional,
  param,
  STRING,
  TIMESTAMP,
  type Type,
  typeOfType,
  UINT,
} from './types.js'

/** What expressions may use. */
export interface Environment {
  readonly variables: ReadonlyMap<string, Type>
  readonly functions: ReadonlyMap<string, readonly Overload[]>
  readonly typeNames: ReadonlyMap<string, Type>
}

/** Names that stand for types. */
const TYPE_NAMES: readonly (readonly [string, Type])[] = [
  ...[BOOL, BYTES, DOUBLE, DURATION, INT, NULL, STRING, TIMESTAMP, UINT].map(
    (type) => [type.name, type] as const,
  ),
  ['list', list(param('A'))],
  ['map', map(param('A'), param('B'))],
  ['type', typeOfType(DYN)],
  ['optional_type', optional(param('V'))],
]

/**
 * The environment of Kubernetes 1.37 for stored expressions (k8s.io/apiserver/pkg/cel/environment/base.go), with these
 * variables.
 */
export function kubernetesEnvironment(variables: Readonly<Record<string, Type>>): Environment {
  const functions = new Map<string, Overload[]>()
  const libraries = [
    OPERATORS,
    ARITHMETIC,
    COMPARISON,
    CONVERSION,
    TIME,
    STRINGS,
    REGEXES,
    LISTS,
    SETS,
    OPTIONALS,
    URLS,
    IP,
    QUANTITIES,
    SEMVERS,
    FORMAT,
    NAMED_FORMATS,
    AUTHORIZER_FUNCTIONS,
  ]
  for (const overload of libraries.flat()) {
    const overloads = functions.get(overload.name)
    if (overloads === undefined) functions.set(overload.name, [overload])
    else overloads.push(overload)
  }
  return {
    variables: new Map(Object.entries(variables)),
    functions,
    typeNames: new Map(TYPE_NAMES.map(([name, type]) => [name, typeOfType(type)])),
  }
}
