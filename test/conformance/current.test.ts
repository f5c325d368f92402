import t from 'tap'
import { replayRecording } from './replay.js'

for (const [name, policy, rows] of [
  ['sample', 'sample', 265],
  ['on-premises', 'on-premises', 265],
  ['request-response', 'request-response', 265],
  ['odd-bodies', 'request-response', 56],
  ['refused-impersonation', 'request-response', 13],
] as const) {
  await t.test(`events equal to those of kube-apiserver 1.37, ${name}`, (t) =>
    replayRecording(t, { name: `1.37/${name}`, policy, rows, constrainedImpersonation: true }),
  )
}
