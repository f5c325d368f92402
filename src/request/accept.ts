/**
 * Whether an Accept header admits JSON where nothing is to be converted: whether kube-apiserver can answer with a Status in
 * JSON (k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go NegotiateMediaTypeOptions with
 * DefaultEndpointRestrictions). Without a header everything is admitted. A q of 0 is no refusal there.
 */
export function acceptsJSON(accept: string | undefined): boolean {
  return (accept ?? '') === '' || (accept as string).split(',').some(admitsJSON)
}

/** One clause of the header, as github.com/munnerz/goautoneg ParseAccept takes it apart. */
function admitsJSON(clause: string): boolean {
  const [range = '', ...parameters] = clause.split(';')
  const [type = '', subtype, ...more] = range.split('/').map(withoutSpaces)
  if (more.length > 0) return false
  const isAnything = type === '*' && (subtype === undefined || subtype === '' || subtype === '*')
  if (!isAnything && !(type === 'application' && (subtype === 'json' || subtype === '*'))) return false
  return parameters.every(admitsParameter)
}

/** Whether a parameter leaves the clause one that can be satisfied (acceptMediaTypeOptions). */
function admitsParameter(parameter: string): boolean {
  const [name = '', value = '', ...more] = parameter.split('=')
  if (value === '' || more.length > 0) return true
  switch (withoutSpaces(name)) {
    case 'as':
    case 'g':
    case 'v':
      return false
    case 'sv':
      return withoutSpaces(value) === ''
    case 'stream':
      return ['', 'watch'].includes(withoutSpaces(value))
    default:
      return true
  }
}

function withoutSpaces(text: string): string {
  return text.replace(/^ +| +$/g, '')
}
