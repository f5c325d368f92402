import t from 'tap'
import { replayRecording } from './replay.js'

for (const name of ['sample', 'request-response', 'on-premises']) {
  await t.test(`events equal to those of kube-apiserver 1.20, policy ${name}`, (t) =>
    replayRecording(t, { name, policy: name, rows: 123 }),
  )
}
