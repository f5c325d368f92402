/** A small protobuf encoder for tests: each function makes one field, `message` joins them. */

export function varint(value: bigint | number): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

export function tag(number: number, wireType: number): Buffer {
  return varint((number << 3) | wireType)
}

export function int(number: number, value: bigint | number): Buffer {
  return Buffer.concat([tag(number, 0), varint(value)])
}

export function double(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([tag(number, 1), bytes])
}

/** A string, bytes, or message. */
export function bytes(number: number, ...values: readonly (string | Buffer)[]): Buffer {
  const value = message(...values)
  return Buffer.concat([tag(number, 2), varint(value.length), value])
}

export function message(...fields: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(fields.map((field) => Buffer.from(field as string)))
}

/** An object in Kubernetes' envelope, as its protobuf serializer writes it. */
export function envelope(apiVersion: string, kind: string, ...fields: readonly Buffer[]): Buffer {
  const typeMeta = bytes(1, bytes(1, apiVersion), bytes(2, kind))
  return message('k8s\0', typeMeta, bytes(2, ...fields), bytes(3, ''), bytes(4, ''))
}

/** The body of a client that leaves it to the apiserver to know what it is. */
export function withoutTypeMeta(body: Buffer): Buffer {
  // k8s, a zero byte, and the type in field 1, whose length is less than 128.
  if (body[4] !== 0x0a || (body[5] as number) >= 128) throw new Error('no type in front')
  return Buffer.concat([body.subarray(0, 4), body.subarray(6 + (body[5] as number))])
}
