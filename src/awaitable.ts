/**
 * A value, or a promise of it. Whoever is handed one awaits it only where it is a promise (`x instanceof Promise ? await x
 * : x`): on the path of requests most are not, and each await costs a turn of the microtask queue.
 */
export type Awaitable<T> = T | Promise<T>

/** What `f` makes of the value: at once where it is there, else a promise. */
export function andThen<T, R>(value: Awaitable<T>, f: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(f) : f(value)
}
