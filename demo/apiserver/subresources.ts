import type { ApiObject } from './api-object.js'
import {
  isObject,
  numberField,
  objectField,
  objectsField,
  stringField,
  type Json,
  type JsonObject,
} from './json.js'
import { replicas } from './resources.js'
import { StatusError } from './status.js'

/** The autoscaling/v1 Scale of a deployment. */
export function scaleOf(deployment: ApiObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = deployment.metadata
  const labels = objectField(objectField(objectField(deployment, 'spec'), 'selector'), 'matchLabels')
  const selector = Object.keys(labels).map((key) => `${key}=${stringField(labels, key)}`)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: replicas(deployment) },
    status: { replicas: replicas(deployment), selector: selector.join(',') },
  }
}

/**
 * The deployment with the number of replicas that a Scale asks for, and the Scale's resourceVersion as precondition.
 * @throws StatusError 400
 */
export function withScale(deployment: ApiObject, scale: Json | undefined): ApiObject {
  if (!isObject(scale) || scale.kind !== 'Scale') throw StatusError.badRequest('the body is no Scale')
  const { resourceVersion } = deployment.metadata
  const wanted = stringField(objectField(scale, 'metadata'), 'resourceVersion') || resourceVersion
  return {
    ...deployment,
    metadata: { ...deployment.metadata, ...(wanted === undefined ? {} : { resourceVersion: wanted }) },
    spec: {
      ...objectField(deployment, 'spec'),
      replicas: numberField(objectField(scale, 'spec'), 'replicas', 0),
    },
  }
}

/**
 * What a pod's container logged: a few lines, for nothing runs in it. `tailLines` is the query's.
 * @throws StatusError 400
 */
export function podLog(pod: ApiObject, container: string | null, tailLines: string | null): string {
  const containers = objectsField(objectField(pod, 'spec'), 'containers').map((c) => stringField(c, 'name'))
  const name = container ?? containers[0] ?? ''
  if (!containers.includes(name)) {
    throw StatusError.badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`)
  }
  if (tailLines !== null && !/^\d{1,9}$/.test(tailLines)) {
    throw StatusError.badRequest(`invalid tailLines ${JSON.stringify(tailLines)}: must be a whole number`)
  }
  const lines = [`${name}: starting`, `${name}: listening on :8080`, `${name}: ready`]
  const shown = tailLines === null ? lines : lines.slice(Math.max(0, lines.length - Number(tailLines)))
  return shown.map((line) => `${line}\n`).join('')
}
