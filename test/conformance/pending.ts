/** Rows of the recordings of 1.37 that are not compared yet, and what they wait for. */
export const PENDING: ReadonlyMap<string, string> = new Map([
  ...['x509-uid-whoami', 'x509-two-uids'].map(waitsFor('UIDs in client certificates')),
  ...[
    'impersonate-forbidden',
    'imp-uid-only',
    'imp-node-legacy',
    'cimp-user-other-user',
    'cimp-user-group',
    'cimp-arbitrary-node',
    'cimp-node-other',
    'cimp-refused-then-target-forbidden',
    'r-nonresource',
    'r-nonresource-api',
    'r-watch',
    'r-create',
    'r-subresource',
    'r-named',
    'r-pb',
    'r-sa',
    'r-node',
    'r-extra',
    'r-options',
    'ok-target-forbidden-node',
  ].map(waitsFor('impersonation as 1.37 refuses it')),
])

function waitsFor(what: string): (row: string) => [string, string] {
  return (row) => [row, what]
}
