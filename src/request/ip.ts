/**
 * IP addresses as k8s.io/utils/net ParseIPSloppy reads them and Go's net.IP prints them. Two spellings of one address
 * print the same, so printed addresses can be compared.
 */

/** An address in the form in which Go prints it, or undefined for what is no address. IPv6 zones are none. */
export function canonicalIP(s: string): string | undefined {
  if (PRINTED_IPV4.test(s)) return s
  if (s.includes(':')) {
    const groups = parseIPv6(s)
    return groups && formatIPv6(groups)
  }
  return parseIPv4(s)?.join('.')
}

/** The network that whoever has an address has as well: of IPv6 the first 64 bits, of IPv4 and of anything else itself. */
export function networkOf(address: string): string {
  const printed = canonicalIP(address.split('%', 1)[0] as string) ?? address
  if (!printed.includes(':')) return printed
  return `${(parseIPv6(printed) ?? [])
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** Mostly an address is IPv4 as it is printed. */
const PRINTED_IPV4 = /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/

/** Four decimal numbers. Leading zeros are allowed and mean nothing, as before Go 1.17. */
function parseIPv4(s: string): number[] | undefined {
  const parts = s.split('.', 5)
  if (parts.length !== 4) return undefined
  const bytes: number[] = []
  for (const part of parts) {
    if (!/^[0-9]+$/.test(part)) return undefined
    const byte = Number(part)
    if (byte > 255) return undefined
    bytes.push(byte)
  }
  return bytes
}

/** The eight groups of an IPv6 address, of which `::` leaves out one or more and a dotted IPv4 tail stands for two. */
function parseIPv6(s: string): number[] | undefined {
  const gap = s.indexOf('::')
  if (gap < 0) {
    const groups = parseGroups(s)
    return groups?.length === 8 ? groups : undefined
  }
  const before = gap === 0 ? [] : parseGroups(s.slice(0, gap), false)
  const rest = s.slice(gap + 2)
  const after = rest === '' ? [] : parseGroups(rest)
  if (before === undefined || after === undefined) return undefined
  const missing = 8 - before.length - after.length
  return missing < 1 ? undefined : [...before, ...new Array<number>(missing).fill(0), ...after]
}

function parseGroups(s: string, mayEndInIPv4 = true): number[] | undefined {
  const parts = s.split(':', 9)
  if (parts.length > 8) return undefined
  const groups: number[] = []
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = mayEndInIPv4 && i === parts.length - 1 ? parseIPv4(part) : undefined
      if (v4 === undefined) return undefined
      groups.push(v4[0]! * 256 + v4[1]!, v4[2]! * 256 + v4[3]!)
    } else {
      if (!/^[0-9A-Fa-f]+$/.test(part)) return undefined
      const group = Number(`0x${part}`)
      if (group > 0xffff) return undefined
      groups.push(group)
    }
  }
  return groups
}

/** net.IP.String: IPv4-mapped addresses are printed as IPv4, the first longest run of zero groups as `::` (RFC 5952). */
function formatIPv6(groups: number[]): string {
  if (groups[5] === 0xffff && groups.every((group, i) => i >= 5 || group === 0)) {
    const [high, low] = [groups[6]!, groups[7]!]
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  }
  let start = -1
  let length = 1 // a single zero is printed
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === 0) end++
    if (end - i > length) {
      start = i
      length = end - i
    }
    if (end > i) i = end
  }
  const hex = groups.map((group) => group.toString(16))
  if (start < 0) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}
