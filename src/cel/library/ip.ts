import { isIPv4, isIPv6 } from 'node:net'
import { EvaluationError } from '../errors.js'
import { fn, method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, INT, STRING, type Type } from '../types.js'
import { Opaque, sizeOf, type Value } from '../values.js'

const IP_TYPE: Type = { kind: 'opaque', name: 'net.IP', params: [] }
const CIDR_TYPE: Type = { kind: 'opaque', name: 'net.CIDR', params: [] }

/** An IPv4 or IPv6 address. */
class Address extends Opaque {
  readonly typeName = 'net.IP'

  constructor(
    readonly value: bigint,
    readonly bits: 32 | 128,
  ) {
    super()
  }

  equals(other: Value): boolean | undefined {
    return other instanceof Address ? this.value === other.value && this.bits === other.bits : undefined
  }

  /** Whether the first bits are those. */
  starts(prefix: bigint, length: number): boolean {
    return this.value >> BigInt(this.bits - length) === prefix
  }

  /** As Go's net/netip writes it. */
  override toString(): string {
    if (this.bits === 32) return [24n, 16n, 8n, 0n].map((at) => (this.value >> at) & 0xffn).join('.')
    const groups = Array.from({ length: 8 }, (_g, i) =>
      ((this.value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16),
    )
    const zeros = longestZeros(groups)
    if (zeros === undefined) return groups.join(':')
    return `${groups.slice(0, zeros.from).join(':')}::${groups.slice(zeros.to).join(':')}`
  }
}

/** The first of the longest runs of two or more. */
function longestZeros(groups: readonly string[]): { from: number; to: number } | undefined {
  let best: { from: number; to: number } | undefined
  for (let from = 0; from < groups.length; from++) {
    let to = from
    while (groups[to] === '0') to++
    if (to - from > (best === undefined ? 1 : best.to - best.from)) best = { from, to }
  }
  return best
}

/** A network: an address and how many of its bits count. */
class Network extends Opaque {
  readonly typeName = 'net.CIDR'

  constructor(
    readonly address: Address,
    readonly length: number,
  ) {
    super()
  }

  equals(other: Value): boolean | undefined {
    return other instanceof Network
      ? this.length === other.length && this.address.equals(other.address)
      : undefined
  }

  contains(address: Address): boolean {
    const rest = BigInt(this.address.bits - this.length)
    return address.bits === this.address.bits && address.value >> rest === this.address.value >> rest
  }

  masked(): Network {
    const { value, bits } = this.address
    const rest = BigInt(bits - this.length)
    return new Network(new Address((value >> rest) << rest, bits), this.length)
  }

  override toString(): string {
    return `${this.address.toString()}/${this.length}`
  }
}

/**
 * k8s.io/apiserver/pkg/cel/library parseIPAddr: without a zone, and no IPv4 address in the form of an IPv6 one.
 *
 * @throws EvaluationError
 */
function parseIP(text: string): Address {
  if (isIPv4(text)) return new Address(octets(text), 32)
  if (!isIPv6(text) || text.includes('%')) throw refused(text)
  const last = /\d+\.\d+\.\d+\.\d+$/.exec(text)?.[0]
  const full =
    last === undefined
      ? text
      : `${text.slice(0, -last.length)}${(octets(last) >> 16n).toString(16)}:${(octets(last) & 0xffffn).toString(16)}`
  const [head = '', tail] = full.split('::')
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
  if (value >> 32n === 0xffffn) throw refused(text)
  return new Address(value, 128)
}

function refused(text: string): EvaluationError {
  return new EvaluationError(`IP Address ${JSON.stringify(text.slice(0, 100))} parse error`)
}

function octets(text: string): bigint {
  return text.split('.').reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':')
}

/** @throws EvaluationError */
function parseCIDR(text: string): Network {
  const slash = text.lastIndexOf('/')
  const bits = text.slice(slash + 1)
  if (slash < 0 || !/^(0|[1-9]\d{0,2})$/.test(bits)) throw refused(text)
  const address = parseIP(text.slice(0, slash))
  if (Number(bits) > address.bits) throw refused(text)
  return new Network(address, Number(bits))
}

function parses(parse: (text: string) => unknown): (meter: Meter, text: string) => boolean {
  return (_meter, text) => {
    try {
      parse(text)
      return true
    } catch (err) {
      if (err instanceof EvaluationError) return false
      throw err
    }
  }
}

function isGlobalUnicast(ip: Address): boolean {
  if (ip.bits === 32 && ip.value === 0xffffffffn) return false
  return !(ip.value === 0n || isLoopback(ip) || isMulticast(ip) || isLinkLocalUnicast(ip))
}

function isMulticast(ip: Address): boolean {
  return ip.bits === 32 ? ip.starts(0xen, 4) : ip.starts(0xffn, 8)
}

function isLoopback(ip: Address): boolean {
  return ip.bits === 32 ? ip.starts(127n, 8) : ip.value === 1n
}

function isLinkLocalUnicast(ip: Address): boolean {
  return ip.bits === 32 ? ip.starts(0xa9fen, 16) : ip.starts(0xfe80n >> 6n, 10)
}

function isLinkLocalMulticast(ip: Address): boolean {
  return ip.bits === 32 ? ip.starts(0xe00000n, 24) : (ip.value >> 112n) % 0x10n === 2n && ip.starts(0xffn, 8)
}

const parsing = { cost: (text: Value): number => Math.ceil(sizeOf(text) * TRAVERSAL), costsByName: true }
const canonical = { cost: (text: Value): number => Math.ceil(sizeOf(text) * 2 * TRAVERSAL) }

/** Kubernetes: the bytes that the prefix has, twice, and those of a text that must be parsed first. */
function comparing(more: (bytes: number) => number): Pick<Overload, 'cost'> {
  return {
    cost: (network, other) => {
      const bytes = network instanceof Network ? Math.ceil(network.length / 8) : 0
      const text = typeof other === 'string' ? Math.ceil(other.length * TRAVERSAL) : 0
      return Math.ceil(2 * bytes * TRAVERSAL) + more(bytes) + text
    },
  }
}

const containingIP = comparing(() => 0)
const containingCIDR = comparing((bytes) => Math.ceil(bytes * TRAVERSAL) + 1)

function question(name: string, answer: (ip: Address) => boolean): Overload {
  return method(name, [IP_TYPE], BOOL, (_meter, ip: Address) => answer(ip))
}

function containsCIDR(network: Network, other: Network): boolean {
  return network.length <= other.length && network.contains(other.address)
}

/** k8s.io/apiserver/pkg/cel/library ip and cidr. */
export const IP: readonly Overload[] = [
  fn('ip', [STRING], IP_TYPE, (_meter, text: string) => parseIP(text), parsing),
  fn('isIP', [STRING], BOOL, parses(parseIP), parsing),
  fn(
    'ip.isCanonical',
    [STRING],
    BOOL,
    (_meter, text: string) => parseIP(text).toString() === text,
    canonical,
  ),
  fn('string', [IP_TYPE], STRING, (_meter, ip: Address) => ip.toString()),
  method('family', [IP_TYPE], INT, (_meter, ip: Address) => (ip.bits === 32 ? 4n : 6n)),
  question('isUnspecified', (ip) => ip.value === 0n),
  question('isLoopback', isLoopback),
  question('isLinkLocalMulticast', isLinkLocalMulticast),
  question('isLinkLocalUnicast', isLinkLocalUnicast),
  question('isGlobalUnicast', isGlobalUnicast),
  fn('cidr', [STRING], CIDR_TYPE, (_meter, text: string) => parseCIDR(text), parsing),
  fn('isCIDR', [STRING], BOOL, parses(parseCIDR), parsing),
  fn('string', [CIDR_TYPE], STRING, (_meter, network: Network) => network.toString()),
  method('ip', [CIDR_TYPE], IP_TYPE, (_meter, network: Network) => network.address),
  method('prefixLength', [CIDR_TYPE], INT, (_meter, network: Network) => BigInt(network.length)),
  method('masked', [CIDR_TYPE], CIDR_TYPE, (_meter, network: Network) => network.masked()),
  method(
    'containsIP',
    [CIDR_TYPE, IP_TYPE],
    BOOL,
    (_meter, network: Network, ip: Address) => network.contains(ip),
    containingIP,
  ),
  method(
    'containsIP',
    [CIDR_TYPE, STRING],
    BOOL,
    (_meter, network: Network, ip: string) => network.contains(parseIP(ip)),
    containingIP,
  ),
  method(
    'containsCIDR',
    [CIDR_TYPE, CIDR_TYPE],
    BOOL,
    (_meter, network: Network, other: Network) => containsCIDR(network, other),
    containingCIDR,
  ),
  method(
    'containsCIDR',
    [CIDR_TYPE, STRING],
    BOOL,
    (_meter, network: Network, other: string) => containsCIDR(network, parseCIDR(other)),
    containingCIDR,
  ),
]
