import type { ValueType } from './values.js'

/** A serving certificate, and the names that it is for. */
export interface NamedCertKey {
  readonly certFile: string
  readonly keyFile: string
  /** Names, also with `*` as their first label, and IP addresses; none: those of the certificate. */
  readonly names: readonly string[]
}

/** `CERT,KEY` or `CERT,KEY:NAME,NAME`, several times (k8s.io/component-base/cli/flag NamedCertKey). */
export const NAMED_CERT_KEY: ValueType<readonly NamedCertKey[]> = {
  label: 'namedCertKey',
  expected: 'CERTFILE,KEYFILE or CERTFILE,KEYFILE:NAME,NAME',
  parse: (text) => all([text]),
  fromYaml(value) {
    if (typeof value === 'string') return all([value])
    return Array.isArray(value) && value.every((one) => typeof one === 'string') ? all(value) : undefined
  },
  formatDefault: (value) => `[${value.map(print).join(';')}]`,
}

function all(texts: readonly string[]): NamedCertKey[] | undefined {
  const values = texts.map(parse)
  return values.every((value) => value !== undefined) ? values : undefined
}

function parse(text: string): NamedCertKey | undefined {
  const colon = text.indexOf(':')
  const files = (colon === -1 ? text : text.slice(0, colon)).split(',').map((file) => file.trim())
  const names =
    colon === -1
      ? []
      : text
          .slice(colon + 1)
          .split(',')
          .map((name) => name.trim())
  const [certFile = '', keyFile = ''] = files
  if (files.length !== 2 || certFile === '' || keyFile === '' || names.includes('')) return undefined
  return { certFile, keyFile, names }
}

function print({ certFile, keyFile, names }: NamedCertKey): string {
  return `${certFile},${keyFile}${names.length === 0 ? '' : `:${names.join(',')}`}`
}
