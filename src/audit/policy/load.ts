import { readFileSync } from 'node:fs'
import { ConfigError } from '../../errors.js'
import { isDNS1123Subdomain } from '../../names.js'
import { fileProblem } from '../../config-files.js'
import { LEVELS, type Stage, STAGES } from '../event.js'
import { type Field, parseDocument } from '../../yaml-document.js'
import type { GroupResources, Policy, PolicyRule } from './policy.js'

const API_VERSIONS = ['audit.k8s.io/v1', 'audit.k8s.io/v1beta1', 'audit.k8s.io/v1alpha1'] as const

/** No policy is this large, in bytes. */
const MAX_FILE_SIZE = 1024 * 1024

/**
 * Reads an audit policy, of any version that kube-apiserver has had (k8s.io/apiserver/pkg/audit/policy/reader.go).
 *
 * @throws ConfigError where the file cannot be read or is not a valid policy
 */
export function loadPolicy(file: string): Policy {
  return parsePolicy(readText(file), file)
}

function readText(file: string): string {
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
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ConfigError(`${file}: found bytes that are not UTF-8, expected YAML or JSON`)
  }
}

/**
 * Reads an audit policy from its text, YAML or JSON, and checks it as
 * k8s.io/apiserver/pkg/apis/audit/validation/validation.go does. It is stricter in one point: a field that no policy
 * has is an error and not a warning, for a misspelt field makes a rule match more than was meant.
 *
 * @param file for messages
 * @throws ConfigError that says what is wrong with the first field that is
 */
export function parsePolicy(text: string, file: string): Policy {
  const root = parseDocument(text, file)
  const fields = root.object(['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields'])
  oneOf(fields.apiVersion, API_VERSIONS)
  oneOf(fields.kind, ['Policy'])
  fields.metadata.anyObject()

  const omitStages = parseStages(fields.omitStages)
  const omitManagedFields = fields.omitManagedFields.boolean() ?? false
  const rules = fields.rules.list().map(parseRule)
  if (rules.length === 0) fields.rules.fail('found no rules, expected at least one')
  return { rules, omitStages, omitManagedFields }
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

function parseGroupResources(field: Field): GroupResources {
  const fields = field.object(['group', 'resources', 'resourceNames'])
  const group = fields.group.string()
  if (group !== '' && !isDNS1123Subdomain(group)) {
    fields.group.expected('the name of an API group without a version, such as "apps" ("" is the core group)')
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
