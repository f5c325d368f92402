import { fn, method, type Overload, REGEX, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { list, optional, STRING, struct } from '../types.js'
import { CelList, Opaque, Optional, sizeOf, type Value } from '../values.js'
import {
  base64,
  date,
  datetime,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  labelValue,
  prefixOf,
  qualifiedName,
  uri,
  uuid,
  type Validate,
} from './named-format-rules.js'

const FORMAT = struct('kubernetes.NamedFormat')

/** A rule for texts that has a name. */
class NamedFormat extends Opaque {
  readonly typeName = 'kubernetes.NamedFormat'

  /** @param patternSize of a regular expression that would say the same: what validate() costs goes by that */
  constructor(
    readonly validate: Validate,
    readonly patternSize: number,
  ) {
    super()
  }

  equals(other: Value): boolean | undefined {
    return other instanceof NamedFormat ? this === other : undefined
  }
}

const FORMATS: ReadonlyMap<string, NamedFormat> = new Map([
  ['dns1123Label', new NamedFormat(dns1123Label, 30)],
  ['dns1123Subdomain', new NamedFormat(dns1123Subdomain, 60)],
  ['dns1035Label', new NamedFormat(dns1035Label, 30)],
  ['qualifiedName', new NamedFormat(qualifiedName, 60)],
  ['dns1123LabelPrefix', new NamedFormat(prefixOf(dns1123Label), 30)],
  ['dns1123SubdomainPrefix', new NamedFormat(prefixOf(dns1123Subdomain), 60)],
  ['dns1035LabelPrefix', new NamedFormat(prefixOf(dns1035Label), 30)],
  ['labelValue', new NamedFormat(labelValue, 40)],
  ['uri', new NamedFormat(uri, 1103)],
  ['uuid', new NamedFormat(uuid, 70)],
  ['byte', new NamedFormat(base64, 84)],
  ['date', new NamedFormat(date, 71)],
  ['datetime', new NamedFormat(datetime, 71)],
])

function named(_meter: Meter, name: string): Optional {
  const format = FORMATS.get(name)
  return format === undefined ? Optional.NONE : Optional.of(format)
}

function validate(_meter: Meter, format: NamedFormat, text: string): Optional {
  const wrong = format.validate(text)
  return wrong.length === 0 ? Optional.NONE : Optional.of(new CelList(wrong, 'texts'))
}

const validating = {
  cost: (format: Value, text: Value): number =>
    format instanceof NamedFormat
      ? Math.ceil((1 + sizeOf(text)) * TRAVERSAL) * Math.ceil(format.patternSize * REGEX)
      : 1,
  costsByName: true,
}

/** k8s.io/apiserver/pkg/cel/library format: what Kubernetes calls a name, a label and so on. */
export const NAMED_FORMATS: readonly Overload[] = [
  fn('format.named', [STRING], optional(FORMAT), named),
  ...[...FORMATS].map(([name, format]) => fn(`format.${name}`, [], FORMAT, () => format)),
  method('validate', [FORMAT, STRING], optional(list(STRING)), validate, validating),
]
