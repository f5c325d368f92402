import { needsHttp2, type HostileCase, type Ingredients, type NumberedCase } from './case.js'
import { exchange, exchangeRenegotiating } from './connection.js'
import type { Front } from './front.js'
import { exchangeFrames, exchangeHttp2, offersHttp2 } from './http2-frames.js'

export type Kitchen = Pick<Ingredients, 'robotToken' | 'serviceAccountKey'>

const AT_ONCE = 8

/** The status codes that the client of each case got, or what was wrong with its answers. Without HTTP/2 its cases are left out. */
export async function attack(
  front: Front,
  cases: readonly NumberedCase[],
  kitchen: Kitchen,
): Promise<Map<NumberedCase, readonly number[] | string>> {
  const http2 = await offersHttp2(front.door('none'))
  const todo = cases.filter((one) => http2 || !needsHttp2(one))
  const answers = new Map<NumberedCase, readonly number[] | string>()
  const queue = todo.values()
  const work = async (): Promise<void> => {
    for (const one of queue) {
      const given = { ...kitchen, id: one.id, path: (part?: string) => pathOf(one.id, part) }
      answers.set(one, await send(front, one, given).catch((err: unknown) => String(err)))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return answers
}

function send(front: Front, one: HostileCase, given: Ingredients): Promise<number[]> {
  const door = front.door(one.certificate ?? 'alice')
  if (one.streams !== undefined) return exchangeHttp2(door, one.streams(given))
  if (one.frames !== undefined) {
    const { bytes, ids } = one.frames(given)
    return exchangeFrames(door, bytes, ids)
  }
  const sent = one.bytes?.(given) ?? ''
  if (one.renegotiates !== undefined)
    return exchangeRenegotiating(door, String(sent), one.renegotiates(given))
  return exchange(door, sent, one.hangsUp === true)
}

function pathOf(id: string, part = ''): string {
  return `/api/v1/namespaces/${part === '' ? id : `${id}-${part}`}/pods`
}
