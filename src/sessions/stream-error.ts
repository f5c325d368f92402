/** What passes is not what its protocol says: nobody can tell what the other end makes of it, so it cannot be recorded. */
export class StreamError extends Error {
  override name = 'StreamError'
}
