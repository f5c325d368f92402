/** What an object is: k8s.io/apimachinery/pkg/runtime TypeMeta. */
export interface TypeMeta {
  readonly apiVersion: string
  readonly kind: string
}
