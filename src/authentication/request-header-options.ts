import { noneEmpty } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'
import type { IdentityHeaderNames } from '../request/identity-headers.js'

/** Who may assert identities in headers, and in which. */
export interface RequestHeaderOptions {
  /** undefined: nobody may. */
  readonly clientCAFile: string | undefined
  /** None: every certificate of these authorities. */
  readonly allowedNames: readonly string[]
  readonly headers: IdentityHeaderNames
}

const GROUP = 'Authentication'

/** --requestheader-*: k8s.io/apiserver/pkg/server/options/authentication.go RequestHeaderAuthenticationOptions. */
export const REQUEST_HEADER_FLAGS = [
  {
    name: 'requestheader-allowed-names',
    type: 'strings',
    default: [],
    group: GROUP,
    validate: noneEmpty,
    help: 'Common names of the client certificates that may assert identities in headers; all that lead to --requestheader-client-ca-file where it is not set.',
  },
  {
    name: 'requestheader-client-ca-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'PEM file with the authorities whose client certificates may assert identities in the headers of --requestheader-username-headers: those of a proxy in front of this one.',
  },
  {
    name: 'requestheader-extra-headers-prefix',
    type: 'strings',
    default: ['X-Remote-Extra-'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Prefixes of headers with extra attributes of a user. Such headers of others than trusted proxies are removed.',
  },
  {
    name: 'requestheader-group-headers',
    type: 'strings',
    default: ['X-Remote-Group'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Headers with the groups of a user. Such headers of others than trusted proxies are removed.',
  },
  {
    name: 'requestheader-uid-headers',
    type: 'strings',
    default: ['X-Remote-Uid'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Headers with the uid of a user. Such headers of others than trusted proxies are removed.',
  },
  {
    name: 'requestheader-username-headers',
    type: 'strings',
    default: ['X-Remote-User'],
    group: GROUP,
    validate: noneEmpty,
    help: 'Headers with the name of a user. Such headers of others than trusted proxies are removed; name here whatever the upstream kube-apiserver reads beyond X-Remote-*.',
  },
] as const satisfies readonly Flag[]

/** @throws ConfigError */
export function readRequestHeaderOptions(settings: Settings): RequestHeaderOptions {
  const values = new FlagValues(REQUEST_HEADER_FLAGS, settings)
  const clientCAFile = values.text('requestheader-client-ca-file')
  values.needs('requestheader-allowed-names', 'requestheader-client-ca-file')
  return {
    clientCAFile,
    allowedNames: values.get('requestheader-allowed-names'),
    headers: {
      username: lowerCase(values.get('requestheader-username-headers')),
      uid: lowerCase(values.get('requestheader-uid-headers')),
      group: lowerCase(values.get('requestheader-group-headers')),
      extraPrefix: lowerCase(values.get('requestheader-extra-headers-prefix')),
    },
  }
}

function lowerCase(names: readonly string[]): string[] {
  return names.map((name) => name.trim().toLowerCase())
}
