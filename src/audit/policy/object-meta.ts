import type { Field } from '../../yaml-document.js'

/** Its fields. */
export const OBJECT_META = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
] as const
const OWNER_REFERENCE = ['apiVersion', 'kind', 'name', 'uid', 'controller', 'blockOwnerDeletion'] as const
const MANAGED_FIELDS = [
  'manager',
  'operation',
  'apiVersion',
  'time',
  'fieldsType',
  'fieldsV1',
  'subresource',
] as const

/**
 * Checks the types in an object's metadata as the decoder does, without a use for what it says:
 * k8s.io/apimachinery/pkg/apis/meta/v1 ObjectMeta.
 *
 * @throws ConfigError
 */
export function checkObjectMeta(metadata: Field): void {
  const fields = metadata.object(OBJECT_META)
  for (const name of ['name', 'generateName', 'namespace', 'selfLink', 'uid', 'resourceVersion'] as const) {
    fields[name].string()
  }
  fields.generation.integer()
  fields.deletionGracePeriodSeconds.integer()
  checkTime(fields.creationTimestamp)
  checkTime(fields.deletionTimestamp)
  for (const map of [fields.labels, fields.annotations]) for (const [, value] of map.entries()) value.string()
  for (const reference of fields.ownerReferences.list()) {
    const owner = reference.object(OWNER_REFERENCE)
    for (const name of ['apiVersion', 'kind', 'name', 'uid'] as const) owner[name].string()
    owner.controller.boolean()
    owner.blockOwnerDeletion.boolean()
  }
  fields.finalizers.strings()
  for (const entry of fields.managedFields.list()) {
    const managed = entry.object(MANAGED_FIELDS)
    for (const name of ['manager', 'operation', 'apiVersion', 'fieldsType', 'subresource'] as const) {
      managed[name].string()
    }
    checkTime(managed.time)
  }
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d+)?(?:Z|[-+](?:[01]\d|2[0-4]):[0-6]\d)$/

function checkTime(field: Field): void {
  if (!field.present) return
  const [, year, month, day] =
    RFC3339.exec(field.string()) ?? field.expected('a time such as 2006-01-02T15:04:05Z')
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  if (date.getUTCMonth() !== Number(month) - 1) field.expected('a day that there was')
}
