/** Whether Go's strconv.ParseInt(value, 10, 64) would take it. */
export function isInt64(value: string): boolean {
  if (!/^[+-]?[0-9]+$/.test(value)) return false
  const digits = value.replace(/^[+-]?0*/, '')
  if (digits.length !== 19) return digits.length < 19
  return BigInt(digits) <= (value.startsWith('-') ? 2n ** 63n : 2n ** 63n - 1n)
}
