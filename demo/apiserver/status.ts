import type { JsonObject } from './json.js'

/** What a request or an error is about: a plural resource and its API group, as in `deployments.apps`. */
export interface GroupResource {
  readonly group: string
  readonly resource: string
}

/**
 * An answer other than success: a metav1.Status. The texts are those of k8s.io/apimachinery/pkg/api/errors, because
 * clients (and people) read them.
 */
export class StatusError extends Error {
  override name = 'StatusError'

  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
    readonly details?: JsonObject,
  ) {
    super(message)
  }

  toStatus(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    }
  }

  static badRequest(message: string): StatusError {
    return new StatusError(400, 'BadRequest', message)
  }

  static unauthorized(): StatusError {
    return new StatusError(401, 'Unauthorized', 'Unauthorized')
  }

  static forbidden(about: GroupResource, name: string, why: string): StatusError {
    const subject = name === '' ? displayed(about) : `${displayed(about)} "${name}"`
    return new StatusError(403, 'Forbidden', `${subject} is forbidden: ${why}`, details(about, name))
  }

  static forbiddenPath(why: string): StatusError {
    return new StatusError(403, 'Forbidden', `forbidden: ${why}`, {})
  }

  static notFound(about: GroupResource, name: string): StatusError {
    return new StatusError(404, 'NotFound', `${displayed(about)} "${name}" not found`, details(about, name))
  }

  static noSuchPath(): StatusError {
    return new StatusError(404, 'NotFound', 'the server could not find the requested resource', {})
  }

  static methodNotAllowed(): StatusError {
    const message = 'the server does not allow this method on the requested resource'
    return new StatusError(405, 'MethodNotAllowed', message, {})
  }

  static notAcceptable(accepted: readonly string[]): StatusError {
    const message = `only the following media types are accepted: ${accepted.join(', ')}`
    return new StatusError(406, 'NotAcceptable', message)
  }

  static alreadyExists(about: GroupResource, name: string): StatusError {
    return new StatusError(
      409,
      'AlreadyExists',
      `${displayed(about)} "${name}" already exists`,
      details(about, name),
    )
  }

  static conflict(about: GroupResource, name: string, why: string): StatusError {
    const message = `Operation cannot be fulfilled on ${displayed(about)} "${name}": ${why}`
    return new StatusError(409, 'Conflict', message, details(about, name))
  }

  static expired(message: string): StatusError {
    return new StatusError(410, 'Expired', message)
  }

  static tooLarge(limit: number): StatusError {
    const message = `Request entity too large: limit is ${limit}`
    return new StatusError(413, 'RequestEntityTooLarge', message)
  }

  static unsupportedMediaType(accepted: readonly string[]): StatusError {
    const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
    return new StatusError(415, 'UnsupportedMediaType', message)
  }

  static invalid(group: string, kind: string, name: string, field: string, why: string): StatusError {
    const about = group === '' ? kind : `${kind}.${group}`
    return new StatusError(422, 'Invalid', `${about} "${name}" is invalid: ${field}: ${why}`, {
      name,
      ...(group === '' ? {} : { group }),
      kind,
      causes: [{ reason: 'FieldValueInvalid', message: why, field }],
    })
  }
}

function displayed({ group, resource }: GroupResource): string {
  return group === '' ? resource : `${resource}.${group}`
}

function details({ group, resource }: GroupResource, name: string): JsonObject {
  return { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource }
}
