import { BlockList, isIP } from 'node:net'
import { ConfigError } from '../errors.js'

/**
 * The URL of a forward proxy.
 *
 * @param where what named it, the start of a message. No message quotes it: it can have a password.
 * @throws ConfigError
 */
export function parseProxyUrl(text: string, where: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    const found = url === undefined ? 'something that is no URL' : `the scheme ${url.protocol.slice(0, -1)}`
    throw new ConfigError(`${where}: found ${found}, expected http://HOST:PORT or https://HOST:PORT`)
  }
  try {
    decodeURIComponent(url.username + url.password)
  } catch {
    throw new ConfigError(`${where}: has a user name or password that is not percent-encoded`)
  }
  return url
}

/**
 * The forward proxy that the environment names for a server, as Go finds it (golang.org/x/net/http/httpproxy
 * FromEnvironment): HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY lists the server or it is this machine.
 *
 * @throws ConfigError
 */
export function proxyFromEnvironment(server: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const text = env[name] || env[name.toLowerCase()]
  if (!text) return undefined
  const host = server.hostname.replace(/^\[|\]$/g, '')
  const port = server.port || (server.protocol === 'https:' ? '443' : '80')
  if (host === 'localhost' || inRange(host, '127.0.0.0/8') || host === '::1') return undefined
  const noProxy = env.NO_PROXY || env.no_proxy || ''
  if (noProxy.split(',').some((entry) => matches(entry.trim().toLowerCase(), host, port))) return undefined
  return parseProxyUrl(text.includes('://') ? text : `http://${text}`, name)
}

/** Whether one entry of NO_PROXY is the host: `*`, a CIDR, an address or a domain with its subdomains, perhaps `:PORT`. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === '') return false
  if (entry === '*') return true
  if (entry.includes('/')) return inRange(host, entry)
  if (isIP(entry) !== 0) return sameAddress(entry, host)
  const [, bracketed, plain = '', only] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? []
  if (only !== undefined && only !== port) return false
  const name = bracketed ?? plain
  if (isIP(name) !== 0) return sameAddress(name, host)
  if (name.startsWith('.')) return host.endsWith(name)
  if (name.startsWith('*.')) return host.endsWith(name.slice(1))
  return name !== '' && (host === name || host.endsWith(`.${name}`))
}

/** An address can be written in several ways. */
function sameAddress(address: string, host: string): boolean {
  return inRange(host, `${address}/${isIP(address) === 4 ? 32 : 128}`)
}

function inRange(host: string, cidr: string): boolean {
  const [network = '', bits] = cidr.split('/')
  const family = isIP(network)
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits ?? '')) return false
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(network, Number(bits), type)
  return list.check(host, type)
}
