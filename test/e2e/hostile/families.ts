import { numbered } from '../../support/hostile/case.js'
import { auditIDs } from './audit-ids.js'
import { authorizationHeaders, certificates, tokens } from './credentials.js'
import { chunks, lengths, requestLines } from './framing.js'
import { binaryBodies } from './binary-bodies.js'
import { http2 } from './http2.js'
import { combinations, credentials } from './identities.js'
import { http2Frames } from './http2-frames.js'
import { impersonationHeaders, remoteHeaders } from './identity-headers.js'
import { jsonBodies } from './json-bodies.js'
import { refusals } from './refusals.js'
import { secretBodies } from './secret-bodies.js'
import { queries } from './queries.js'
import { targets } from './targets.js'
import { texts } from './text.js'
import { yamlBodies } from './yaml-bodies.js'

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
  jsonBodies,
  yamlBodies,
  binaryBodies,
  secretBodies,
  queries,
  auditIDs,
  combinations,
  credentials,
  http2Frames,
  refusals,
])
