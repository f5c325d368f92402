import type { ResponseStatus } from '../audit/event.js'
import { readForbidden } from '../authentication/forbidden-message.js'

/** Whether kube-apiserver has read the body of a request: `unclear` where its answer does not tell. */
export type BodyFate = 'read' | 'unread' | 'unclear'

/**
 * What the answer to a request says of the request's body. Authentication, priority and fairness, and authorization come
 * before a handler reads it (k8s.io/apiserver/pkg/server/config.go DefaultBuildHandlerChain), and refuse in words of their
 * own; what comes later (admission, a quota, a webhook, a disruption budget) may use the same codes, but says something
 * else: a webhook's answer always begins with the webhook's name
 * (k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go ToStatusErr).
 */
export function bodyFate({ code = 0, status, message, details }: ResponseStatus): BodyFate {
  if (code < 400) return 'read'
  switch (code) {
    case 401:
      // k8s.io/apiserver/pkg/endpoints/filters/authentication.go Unauthorized
      return message === undefined || message === 'Unauthorized' ? 'unread' : 'read'
    case 403:
      if (message === undefined) return 'unclear'
      return readForbidden(message, details) === undefined ? 'read' : 'unread'
    case 429:
      // k8s.io/apiserver/pkg/server/filters/maxinflight.go tooManyRequests writes no Status.
      return status === undefined ? 'unread' : 'read'
    default:
      return status === undefined ? 'unclear' : 'read'
  }
}
