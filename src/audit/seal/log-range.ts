import { createReadStream } from 'node:fs'
import { LeafReader } from './leaves.js'
import { MerkleTree, toHex } from './merkle.js'
import type { RangeBuilder } from './range.js'
import { type Range } from './range.js'

const PIECE = 1 << 20

/** The leaves of the bytes from `from` to `to` of an open file, with the bytes that each stands for. */
async function readLeaves(
  fd: number,
  from: number,
  to: number,
  onLeaf: (leaf: string, bytes: number) => void,
): Promise<void> {
  if (from >= to) return
  const reader = new LeafReader(onLeaf)
  const source = createReadStream('', {
    fd,
    autoClose: false,
    start: from,
    end: to - 1,
    highWaterMark: PIECE,
  })
  for await (const piece of source as AsyncIterable<Buffer>) reader.push(piece)
  reader.end()
}

/** Whether an open file has the lines that the range says. */
export async function hasRange(fd: number, range: Range): Promise<boolean> {
  const tree = new MerkleTree()
  let length = 0
  await readLeaves(fd, range.offset, range.offset + range.length, (leaf, bytes) => {
    tree.add(leaf)
    length += bytes
  })
  return length === range.length && tree.size === range.lines && toHex(tree.root()) === range.root
}

/** Adds what the file has up to `to` to a range, and hands over each one that is full. */
export async function addFound(
  fd: number,
  range: RangeBuilder,
  to: number,
  onFull: (range: Range) => void,
): Promise<void> {
  await readLeaves(fd, range.end, to, (leaf, bytes) => {
    if (range.isFull(bytes)) onFull(range.take())
    range.add(leaf, bytes)
  })
}
