import { hash } from 'node:crypto'

/** A SHA-256 digest as 32 characters of one byte each: in V8 far cheaper than a Buffer. */
export type Digest = string

const DIGEST_BYTES = 32
/** RFC 6962, 2.1: what is hashed begins with 0x00 for a leaf and 0x01 for a node. */
const NODE = 0x01

export function sha256(bytes: Buffer): Digest {
  return hash('sha256', bytes, 'binary')
}

export function toHex(digest: Digest): string {
  return Buffer.from(digest, 'latin1').toString('hex')
}

export function fromHex(text: string): Digest {
  return Buffer.from(text, 'hex').toString('latin1')
}

/** The leaf of a line: SHA-256 of a zero byte and the line without its newline. */
export function leafHash(line: Buffer): Digest {
  return sha256(Buffer.concat([Buffer.of(0), line]))
}

/** The root of no lines at all: SHA-256 of nothing. */
export const EMPTY_ROOT: Digest = sha256(Buffer.alloc(0))

const scratch = (): Buffer => {
  const node = Buffer.alloc(1 + 2 * DIGEST_BYTES)
  node[0] = NODE
  return node
}

/** Of two nodes the one above them. */
export function nodeHash(left: Digest, right: Digest, node = scratch()): Digest {
  node.write(left, 1, DIGEST_BYTES, 'latin1')
  node.write(right, 1 + DIGEST_BYTES, DIGEST_BYTES, 'latin1')
  return sha256(node)
}

/**
 * The Merkle tree hash of RFC 6962, built leaf by leaf. It holds one digest for each level: of the whole subtrees to the
 * left of the next leaf.
 */
export class MerkleTree {
  #size = 0
  readonly #subtrees: Digest[] = []
  readonly #node = scratch()

  get size(): number {
    return this.#size
  }

  add(leaf: Digest): void {
    let digest = leaf
    // As many subtrees end here as the old size has ones at its end.
    for (let left = this.#size; left % 2 === 1; left = (left - 1) / 2)
      digest = nodeHash(this.#subtrees.pop() as Digest, digest, this.#node)
    this.#subtrees.push(digest)
    this.#size++
  }

  root(): Digest {
    return (
      this.#subtrees.reduceRight<Digest | undefined>(
        (right, left) => (right === undefined ? left : nodeHash(left, right, this.#node)),
        undefined,
      ) ?? EMPTY_ROOT
    )
  }
}

/** The audit path of RFC 6962, 2.1.1: the nodes that with the leaf make the root, the lowest first. */
export function auditPath(leaves: readonly Digest[], index: number): Digest[] {
  if (leaves.length <= 1) return []
  const split = largestPowerBelow(leaves.length)
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)]
  return index < split
    ? [...auditPath(left, index), rootOf(right)]
    : [...auditPath(right, index - split), rootOf(left)]
}

/**
 * The root that a leaf and its audit path make in a tree of `size` leaves; undefined where the path has not the length
 * that it must have.
 */
export function rootFromPath(
  leaf: Digest,
  index: number,
  size: number,
  path: readonly Digest[],
): Digest | undefined {
  if (size <= 1) return path.length === 0 && index === 0 ? leaf : undefined
  const last = path.at(-1)
  if (last === undefined || index >= size) return undefined
  const split = largestPowerBelow(size)
  const rest = path.slice(0, -1)
  const below =
    index < split
      ? rootFromPath(leaf, index, split, rest)
      : rootFromPath(leaf, index - split, size - split, rest)
  if (below === undefined) return undefined
  return index < split ? nodeHash(below, last) : nodeHash(last, below)
}

export function rootOf(leaves: readonly Digest[]): Digest {
  const tree = new MerkleTree()
  for (const leaf of leaves) tree.add(leaf)
  return tree.root()
}

/** The largest power of two that is smaller than `n`. */
function largestPowerBelow(n: number): number {
  let power = 1
  while (power * 2 < n) power *= 2
  return power
}
