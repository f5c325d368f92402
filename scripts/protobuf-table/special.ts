/** What the declarations do not say about a message or a field; each name is package.Message or package.Message.field. */

/** Go types with a MarshalJSON of their own; src/audit/capture/protobuf/printer.ts prints each. */
export const SPECIAL: ReadonlySet<string> = new Set([
  ...['meta.v1.Time', 'meta.v1.MicroTime', 'meta.v1.Duration', 'meta.v1.FieldsV1'],
  ...['runtime.RawExtension', 'runtime.Unknown', 'intstr.IntOrString', 'resource.Quantity'],
  ...['v1', 'v1beta1'].flatMap((version) =>
    ['JSON', 'JSONSchemaPropsOrArray', 'JSONSchemaPropsOrBool', 'JSONSchemaPropsOrStringArray'].map(
      (name) => `apiextensions.${version}.${name}`,
    ),
  ),
])

/** Go types that have no protobuf form, though they have a MarshalJSON. */
export const NO_PROTOBUF: ReadonlySet<string> = new Set(['meta.v1.GroupVersion', 'runtime.encodable'])

/** Types whose zero value the printer knows, so that it can leave out fields with omitzero. */
export const WITH_ZERO: ReadonlySet<string> = new Set(['meta.v1.Time', 'meta.v1.MicroTime'])

/** Kinds without a TypeMeta. */
export const KINDS_WITHOUT_TYPE_META: ReadonlySet<string> = new Set(['meta.v1.WatchEvent'])

/**
 * Fields whose messages JSON shows with kind and apiVersion, though protobuf has none: kube-apiserver sets them anew, in
 * pkg/apis/apps/v1/conversion.go and in k8s.io/apiserver/pkg/endpoints/handlers/response.go asPartialObjectMetadataList.
 */
export const WITH_TYPE_META: ReadonlySet<string> = new Set([
  ...['v1', 'v1beta1', 'v1beta2'].map((version) => `apps.${version}.StatefulSetSpec.volumeClaimTemplates`),
  ...['meta.v1.PartialObjectMetadataList.items', 'meta.v1beta1.PartialObjectMetadataList.items'],
])

/** Fields that came later than what their messages replaced, and are no omitempty: in 1.20 these were TypedLocalObjectReferences. */
export const NEWER_THAN_TYPE: ReadonlySet<string> = new Set(
  ['v1', 'v1beta1'].map((version) => `networking.${version}.IngressClassParametersReference.scope`),
)

/** Messages that no declaration has, in the table's own notation: what all lists have in common. */
export const ADDED: readonly string[] = [
  'meta.v1 AnyList metadata:1:ListMeta? items:2:[]PartialObjectMetadata',
]
