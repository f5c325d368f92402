/** A URL, or what should be one, as it may stand in a message: on one line, not endless, and without a password. */
export function shownURL(text: string): string {
  if (text.includes('@')) return 'a URL with a user in it'
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text)
}
