import { queryUnescape } from './escape.js'
import { nameInFieldSelector } from './field-selector.js'
import { isInt64 } from './int64.js'
import { isValidLabelSelector } from './label-selector.js'
import { visitQuery } from './query.js'

/** What a list request's query says about its verb and name. */
export interface ListOptions {
  readonly watch: boolean
  /** The name that `fieldSelector=metadata.name=NAME` asks for, or empty. */
  readonly name: string
}

/** The parameters of metav1.ListOptions that decide, or that kube-apiserver may fail to decode. */
interface Parameters {
  watch?: string
  fieldSelector?: string
  labelSelector?: string
  limit?: string
  timeoutSeconds?: string
}

/**
 * Reads the query of a list as NewRequestInfo in k8s.io/apiserver/pkg/endpoints/request/requestinfo.go does. Where any
 * of ListOptions cannot be decoded there is no name, but a watch is still a watch.
 *
 * @param rawQuery as received, one character per byte
 */
export function decodeListOptions(rawQuery: string): ListOptions {
  const { watch, fieldSelector, labelSelector, limit, timeoutSeconds } = readParameters(rawQuery)
  const name =
    isInt64(limit ?? '0') && isInt64(timeoutSeconds ?? '0') && isValidLabelSelector(labelSelector ?? '')
      ? nameInFieldSelector(fieldSelector ?? '')
      : undefined
  if (name === undefined) {
    // Here kube-apiserver compares strings.ToLower, which is a bit stricter than the conversion's EqualFold.
    return { watch: watch !== undefined && watch !== '0' && watch.toLowerCase() !== 'false', name: '' }
  }
  // Convert_Slice_string_To_bool: anything but 0 and false is true, also the empty string.
  return {
    watch: watch !== undefined && watch !== '0' && !/^false$/iu.test(watch),
    name: isPathSegmentName(name) ? name : '',
  }
}

/** Selectors as authorization is told of them. */
export interface Selectors {
  readonly fieldSelector?: { readonly rawSelector: string }
  readonly labelSelector?: { readonly rawSelector: string }
}

/**
 * The selectors of a query; one that cannot be parsed is as none to authorization
 * (k8s.io/apiserver/pkg/endpoints/filters/authorization.go GetAuthorizerAttributes).
 */
export function selectors(rawQuery: string): Selectors {
  if (rawQuery === '') return {}
  const { fieldSelector = '', labelSelector = '' } = readParameters(rawQuery)
  return {
    ...(fieldSelector !== '' && nameInFieldSelector(fieldSelector) !== undefined
      ? { fieldSelector: { rawSelector: fieldSelector } }
      : {}),
    ...(labelSelector !== '' && isValidLabelSelector(labelSelector)
      ? { labelSelector: { rawSelector: labelSelector } }
      : {}),
  }
}

/** The first value of each parameter. */
function readParameters(rawQuery: string): Parameters {
  const parameters: Parameters = {}
  visitQuery(rawQuery, (key, rawValue) => {
    if (!isParameter(key) || parameters[key] !== undefined) return
    const value = queryUnescape(rawValue)
    if (value !== undefined) parameters[key] = value
  })
  return parameters
}

function isParameter(key: string): key is keyof Parameters {
  switch (key) {
    case 'watch':
    case 'fieldSelector':
    case 'labelSelector':
    case 'limit':
    case 'timeoutSeconds':
      return true
    default:
      return false
  }
}

/** k8s.io/apimachinery/pkg/api/validation/path IsValidPathSegmentName. */
function isPathSegmentName(name: string): boolean {
  return name !== '.' && name !== '..' && !/[/%]/.test(name)
}
