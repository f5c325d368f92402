import { visitQuery } from '../request/query.js'
import { queryUnescape } from '../request/escape.js'
import type { RequestInfo } from '../request/request-info.js'
import type { UserInfo } from '../request/user-info.js'
import type { SessionMetadata } from './asciicast.js'
import type { Connected } from './session-stream.js'

/** A request for a session. */
export interface SessionRequest {
  readonly auditID: string
  readonly info: RequestInfo
  /** Who asks: not whom they impersonate. */
  readonly user: UserInfo
  readonly impersonatedUser: string | undefined
  readonly sourceIPs: readonly string[]
  readonly userAgent: string | undefined
  /** As received, one character per byte. */
  readonly rawQuery: string
}

/** What the query asks to have connected (PodExecOptions, PodAttachOptions). */
export interface SessionOptions extends Connected {
  readonly container: string | undefined
  readonly command: readonly string[]
}

/**
 * Reads the query as kube-apiserver does: the first value of each counts, but for the command. A boolean is false where it is
 * not there, `0` or `false` (k8s.io/apimachinery/pkg/runtime/conversion.go Convert_Slice_string_To_bool).
 */
export function sessionOptions(rawQuery: string): SessionOptions {
  const first = new Map<string, string>()
  const command: string[] = []
  visitQuery(rawQuery, (key, rawValue) => {
    const value = queryUnescape(rawValue)
    if (value === undefined) return
    if (key === 'command') command.push(value)
    else if (!first.has(key)) first.set(key, value)
  })
  const flag = (name: string): boolean => {
    const value = first.get(name)
    return value !== undefined && value !== '0' && value.toLowerCase() !== 'false'
  }
  return {
    stdin: flag('stdin'),
    stdout: flag('stdout'),
    stderr: flag('stderr'),
    tty: flag('tty'),
    container: first.get('container') || undefined,
    command,
  }
}

/** What the recording's header says of it. */
export function sessionMetadata(
  request: SessionRequest,
  options: SessionOptions,
  input: boolean,
): SessionMetadata {
  const { auditID, info, user, impersonatedUser, sourceIPs, userAgent } = request
  const { container, command, tty, stdin } = options
  return {
    auditID,
    user: user.username,
    groups: user.groups,
    impersonatedUser,
    sourceIPs,
    userAgent,
    namespace: info.namespace,
    pod: info.name,
    container,
    subresource: info.subresource,
    command: command.length === 0 ? undefined : command,
    tty,
    stdin,
    input,
    pid: process.pid,
  }
}
