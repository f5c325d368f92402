export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject {
  [key: string]: Json | undefined
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object under a field, or an empty one. */
export function objectField(object: JsonObject, field: string): JsonObject {
  const value = object[field]
  return isObject(value) ? value : {}
}

/** The objects of a list field; other elements are left out. */
export function objectsField(object: JsonObject, field: string): JsonObject[] {
  const value = object[field]
  return Array.isArray(value) ? value.filter(isObject) : []
}

export function stringField(object: JsonObject, field: string): string {
  const value = object[field]
  return typeof value === 'string' ? value : ''
}

export function numberField(object: JsonObject, field: string, fallback: number): number {
  const value = object[field]
  return typeof value === 'number' ? value : fallback
}

/** The strings of a list field; other elements are left out. */
export function stringsField(object: JsonObject, field: string): string[] {
  const value = object[field]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
