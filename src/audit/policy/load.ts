import { readFileSync } from 'node:fs'
import { ConfigError } from '../../errors.js'
import { isDNS1123Subdomain } from '../../names.js'
import { fileProblem } from '../../config-files.js'
import { LEVELS, type Stage, STAGES } from '../event.js'
import { type Field, parseLenientDocument, type Warn } from '../../yaml-document.js'
import { checkObjectMeta } from './object-meta.js'
import type { GroupResources, Policy, PolicyRule } from './policy.js'

const API_VERSION = 'audit.k8s.io/v1'

/** Versions that kube-apiserver read before 1.24 and refuses since. */
const OLD_API_VERSIONS: readonly string[] = ['audit.k8s.io/v1beta1', 'audit.k8s.io/v1alpha1']

/** No policy is this large, in bytes. */
const MAX_FILE_SIZE = 4 * 1024 * 1024

/** A file with more mistakes than this is some other file. */
const MAX_WARNINGS = 50

/**
 * Reads an audit policy: what kube-apiserver loads (k8s.io/apiserver/pkg/audit/policy/reader.go), and the older versions
 * that it once did.
 *
 * @param warn takes one line for each thing that kube-apiserver loads and that is probably not meant, such as a field that
 * no policy has; only where the policy is loaded
 * @throws ConfigError where the file cannot be read or is not a valid policy
 */
export function loadPolicy(file: string, warn: Warn = () => undefined): Policy {
  return parsePolicy(readText(file), file, warn)
}

/**
 * The text of a policy file.
 * @throws ConfigError
 */
export function readText(file: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (err) {
    throw new ConfigError(`${file}: ${fileProblem(err)}`)
  }
  if (bytes.length > MAX_FILE_SIZE) {
    throw new ConfigError(
      `${file}: found ${bytes.length} bytes, expected a policy of at most ${MAX_FILE_SIZE}`,
    )
  }
  return decodeText(bytes, file)
}

/** YAML may be UTF-16, which its byte order mark says. Go's JSON decoder takes any bytes, and its YAML decoder does not. */
function decodeText(bytes: Buffer, file: string): string {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const text = bytes.toString('utf8')
    if (/^\s*\{/.test(text)) return text
    throw new ConfigError(`${file}: found bytes that are not UTF-8, expected YAML or JSON`)
  }
}

/**
 * Reads an audit policy from its text, YAML or JSON, as kube-apiserver's lenient decoder does, and checks it as
 * k8s.io/apiserver/pkg/apis/audit/validation/validation.go does.
 *
 * @param file for messages
 * @param warn as of loadPolicy
 * @throws ConfigError that says what is wrong with the first field that is
 */
export function parsePolicy(text: string, file: string, warn: Warn = () => undefined): Policy {
  const warnings: string[] = []
  let count = 0
  const policy = decodePolicy(text, file, (warning) => {
    if (++count <= MAX_WARNINGS) warnings.push(warning)
  })
  warnings.forEach(warn)
  if (count > MAX_WARNINGS) warn(`${file}: and ${count - MAX_WARNINGS} warnings more`)
  return policy
}

function decodePolicy(text: string, file: string, warn: Warn): Policy {
  const root = parseLenientDocument(text, file, warn)
  checkVersion(root)
  const fields = root.object(['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields'])
  fields.apiVersion.string()
  fields.kind.string()
  checkObjectMeta(fields.metadata)

  const omitStages = parseStages(fields.omitStages)
  const omitManagedFields = fields.omitManagedFields.boolean() ?? false
  const rules = fields.rules.list().map(parseRule)
  if (rules.length === 0) fields.rules.fail('found no rules, expected at least one')
  return { rules, omitStages, omitManagedFields }
}

/** Here, and only here, the case of names does not matter: k8s.io/apimachinery/pkg/runtime/serializer/json/meta.go. */
function checkVersion(root: Field): void {
  const apiVersion = root.anyCase('apiVersion')
  const found = apiVersion.string()
  if (OLD_API_VERSIONS.includes(found)) {
    apiVersion.warn(`kube-apiserver 1.24 and newer refuses ${found}, expected ${API_VERSION}`)
  } else if (found !== API_VERSION) apiVersion.expected(API_VERSION)
  const kind = root.anyCase('kind')
  if (kind.string() === '')
    kind.warn('found nothing, expected Policy; it is taken for one, as by kube-apiserver')
  else if (kind.string() !== 'Policy') kind.expected('Policy')
}

function parseRule(rule: Field): PolicyRule {
  const fields = rule.object([
    'level',
    'users',
    'userGroups',
    'verbs',
    'resources',
    'namespaces',
    'nonResourceURLs',
    'omitStages',
    'omitManagedFields',
  ])
  const parsed: PolicyRule = {
    level: oneOf(fields.level, LEVELS),
    users: fields.users.strings(),
    userGroups: fields.userGroups.strings(),
    verbs: fields.verbs.strings(),
    nonResourceURLs: fields.nonResourceURLs.list().map(parseNonResourceURL),
    resources: fields.resources.list().map(parseGroupResources),
    namespaces: fields.namespaces.strings(),
    omitStages: parseStages(fields.omitStages),
    omitManagedFields: fields.omitManagedFields.boolean(),
  }
  if (parsed.nonResourceURLs.length > 0) {
    for (const field of ['resources', 'namespaces'] as const) {
      if (parsed[field].length > 0) {
        fields.nonResourceURLs.fail(
          `found together with ${field}, expected a rule to have only one of the two`,
        )
      }
    }
  }
  return parsed
}

function parseNonResourceURL(field: Field): string {
  const url = field.string()
  if (url === '*') return url
  if (!url.startsWith('/')) field.expected('"*" or a path that begins with "/"')
  if (url.slice(0, -1).includes('*')) field.expected('a "*" only as the last character')
  return url
}

/** One entry of a rule's resources. @throws ConfigError */
export function parseGroupResources(field: Field): GroupResources {
  const fields = field.object(['group', 'resources', 'resourceNames'])
  const group = fields.group.string()
  if (group !== '' && group !== '*' && !isDNS1123Subdomain(group)) {
    fields.group.expected(
      'the name of an API group without a version, such as "apps" ("" is the core group, "*" is every group)',
    )
  }
  const resources = fields.resources.strings()
  const resourceNames = fields.resourceNames.strings()
  if (resourceNames.length > 0 && resources.length === 0) {
    fields.resourceNames.fail('found names without resources, expected at least one resource beside them')
  }
  return { group, resources, resourceNames }
}

function parseStages(field: Field): Stage[] {
  return field.list().map((stage) => oneOf(stage, STAGES))
}

function oneOf<T extends string>(field: Field, values: readonly T[]): T {
  const found = field.string()
  const value = values.find((value) => value === found)
  return value ?? field.expected(values.length === 1 ? values.join() : `one of ${values.join(', ')}`)
}
