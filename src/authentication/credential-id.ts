/** The extra that names the credential a user came with (k8s.io/apiserver/pkg/authentication/user CredentialIDKey). */
export const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id'

/** What it says of a token with that `jti` (k8s.io/apiserver/pkg/authentication/token/jwt); undefined where it has none. */
export function tokenCredentialID(jti: unknown): string | undefined {
  return typeof jti === 'string' && jti !== '' ? `JTI=${jti}` : undefined
}
