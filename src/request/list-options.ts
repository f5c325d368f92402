import { queryUnescape } from './escape.js'
import { nameInFieldSelector } from './field-selector.js'
import { isInt64 } from './int64.js'
import { isValidLabelSelector } from './label-selector.js'

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

/** The first value of each parameter, read as net/url ParseQuery reads: a pair that it refuses is left out. */
function readParameters(rawQuery: string): Parameters {
  const parameters: Parameters = {}
  for (let start = 0; start <= rawQuery.length;) {
    let end = rawQuery.indexOf('&', start)
    if (end < 0) end = rawQuery.length
    readPair(rawQuery.slice(start, end), parameters)
    start = end + 1
  }
  return parameters
}

function readPair(pair: string, parameters: Parameters): void {
  const equals = pair.indexOf('=')
  const key = queryUnescape(equals < 0 ? pair : pair.slice(0, equals))
  if (key === undefined || !isParameter(key) || parameters[key] !== undefined) return
  if (pair.includes(';')) return // Go has refused a semicolon in a pair since 1.17
  const value = queryUnescape(equals < 0 ? '' : pair.slice(equals + 1))
  if (value !== undefined) parameters[key] = value
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
