/**
 * The Go type that kube-apiserver decodes a JSON value into, as far as it decides what comes of a key that is there twice.
 */
export interface GoType {
  /** `other`: it has an UnmarshalJSON of its own, or is not known. */
  readonly shape: 'struct' | 'map' | 'list' | 'scalar' | 'other'
  /** null empties it (a pointer, map or slice) and does not leave it as it was. */
  readonly isNilable: boolean
  /** The type of a struct's field, of a map's values or of a list's items. */
  member(name: string): GoType
}

/** Whatever comes later counts: an interface{}, as all of a patch and of a custom resource is. */
export const OTHER: GoType = { shape: 'other', isNilable: true, member: () => OTHER }
/** A string, number or bool. */
export const SCALAR: GoType = { shape: 'scalar', isNilable: false, member: () => OTHER }
