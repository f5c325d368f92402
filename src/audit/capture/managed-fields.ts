import { endOfValue, visitItems, visitMembers } from './json/json-cursor.js'
import { JSONEdits } from './json/json-edits.js'

/**
 * `text` (from compactJSON) without `metadata.managedFields` of the object, of the items of a list, and of the objects in
 * the rows of a Table; nothing else is changed. This is k8s.io/apiserver/pkg/audit/request.go copyWithoutManagedFields
 * (Kubernetes 1.23), which omitManagedFields in a policy asks for.
 */
export function withoutManagedFields(text: string): string {
  if (!text.includes('"managedFields"') && !text.includes('\\u')) return text
  const edits = new JSONEdits(text)
  const visitObject = (object: number): number =>
    visitMembers(text, object, (name, value) => {
      return name === 'metadata' ? visitMetadata(text, value, edits) : endOfValue(text, value)
    })
  visitMembers(text, 0, (name, value) => {
    switch (name) {
      case 'metadata':
        return visitMetadata(text, value, edits)
      case 'items':
        return visitItems(text, value, visitObject)
      case 'rows':
        return visitItems(text, value, (row) =>
          visitMembers(text, row, (name, value) => {
            return name === 'object' ? visitObject(value) : endOfValue(text, value)
          }),
        )
      default:
        return endOfValue(text, value)
    }
  })
  return edits.apply()
}

function visitMetadata(text: string, metadata: number, edits: JSONEdits): number {
  return visitMembers(text, metadata, (name, value, key) => {
    const end = endOfValue(text, value)
    if (name === 'managedFields') edits.removeMember(key, end)
    return end
  })
}
