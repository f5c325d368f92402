/** What a subprotocol of a WebSocket begins with that is a bearer token (k8s.io/apiserver/pkg/authentication/request/websocket). */
export const BEARER_PROTOCOL = 'base64url.bearer.authorization.k8s.io.'

/**
 * The value of a Sec-WebSocket-Protocol header without the tokens in it; undefined where nothing else is left. What stands
 * around a token does not save it: kube-apiserver knows more kinds of space than one would look for.
 */
export function withoutBearerProtocol(value: string): string | undefined {
  if (!value.includes(BEARER_PROTOCOL)) return value
  const others = value.split(',').filter((protocol) => !protocol.includes(BEARER_PROTOCOL))
  return others.length === 0 ? undefined : others.join(',').trim()
}
