import { numbered } from '../../support/hostile/case.js'
import { authorizationHeaders, certificates, tokens } from './credentials.js'
import { chunks, lengths, requestLines } from './framing.js'
import { http2 } from './http2.js'
import { impersonationHeaders, remoteHeaders } from './identity-headers.js'
import { targets } from './targets.js'
import { texts } from './text.js'

/** Every case, under the number that its paths and Audit-IDs have. */
export const CASES = numbered([
  remoteHeaders,
  impersonationHeaders,
  authorizationHeaders,
  certificates,
  tokens,
  lengths,
  chunks,
  requestLines,
  targets,
  texts,
  http2,
])
