/** A field that is put into HPACK's dynamic table, in front of what is there (RFC 7541 section 6.2.1). */
export function remembered(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), literal(name), literal(value)])
}

/** A field that is not put there (section 6.2.2). */
export function plain(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x00]), literal(name), literal(value)])
}

/** The field that was remembered last, in a byte, so many times (section 6.1). */
export function repeated(times: number): Buffer {
  return Buffer.alloc(times, 0x80 | 62)
}

/** What every GET has. */
export function getOf(path: string): Buffer {
  const [method, https] = [0x82, 0x87]
  return Buffer.concat([Buffer.from([method, https]), plain(':path', path), plain(':authority', 'x')])
}

/** A string without Huffman's code (section 5.2). */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([integer(bytes.length, 0x7f), bytes])
}

/** A number behind a prefix of bits (section 5.1). */
function integer(value: number, prefix: number): Buffer {
  if (value < prefix) return Buffer.from([value])
  const bytes = [prefix]
  let rest = value - prefix
  for (; rest >= 0x80; rest >>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}
