const BLOCKS = 6

/**
 * The least by which memory grows while a block of work is done, in MiB. The block is done again, six times at most, while it
 * grows by the limit or more: what leaks does so in each block, a heap that finds its size or a collector that comes late in some.
 */
export async function leastGrowth(
  memory: () => { now: number },
  limit: number,
  block: () => Promise<void>,
): Promise<number> {
  let least = Infinity
  for (let i = 0; i < BLOCKS && least >= limit; i++) {
    const before = memory().now
    await block()
    least = Math.min(least, memory().now - before)
  }
  return least
}
