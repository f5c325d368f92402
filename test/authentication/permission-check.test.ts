import { MockAgent } from 'undici'
import t, { type Test } from 'tap'
import { readAuthenticationOptions } from '../../src/authentication/options.js'
import { checkPermissions } from '../../src/authentication/permission-check.js'
import type { ReviewClient } from '../../src/cluster/reviews.js'
import { settingsOf } from '../support/flags.js'
import { memoryLog } from '../support/log.js'
import { PKI } from '../support/pki.js'

interface Asked {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  readonly name?: string
}

/** What a proxy that impersonates says of an identity. */
async function warnings(t: Test, may: (asked: Asked) => boolean): Promise<string[]> {
  const agent = new MockAgent()
  agent.disableNetConnect()
  agent
    .get('https://apiserver')
    .intercept({ path: /selfsubjectaccessreviews$/, method: 'POST' })
    .reply(201, ({ body }) => {
      const { spec } = JSON.parse(body as string) as { spec: { resourceAttributes: Asked } }
      return { status: { allowed: may(spec.resourceAttributes) } }
    })
    .persist()
  t.teardown(() => agent.close())
  const client: ReviewClient = {
    connections: { dispatcher: agent, origin: 'https://apiserver', pathPrefix: '' } as never,
    authorization: () => Promise.resolve(undefined),
  }
  const ca = new PKI(t.testdir()).ca('ca')
  const options = readAuthenticationOptions(settingsOf([`--client-ca-file=${ca.certFile}`]))
  const { log, lines } = memoryLog()
  await checkPermissions({ options, impersonates: true, own: client, reviews: client, log })
  return lines.map(({ msg }) => String(msg))
}

await t.test('by name, as rbac-impersonation.yaml has it', async (t) => {
  const found = await warnings(t, ({ verb, resource, name }) => {
    if (verb === '*') return false
    return resource !== 'groups' || name === 'system:authenticated'
  })
  t.strictSame(found, [])
})

await t.test('with constrained impersonation', async (t) => {
  t.strictSame(
    await warnings(
      t,
      ({ verb, group }) => verb === 'create' || (verb === 'impersonate:user-info' && group !== ''),
    ),
    [],
  )
})

await t.test('an identity that may be anybody', async (t) => {
  const found = await warnings(t, ({ verb }) => verb !== '*')
  t.match(found, [/may impersonate system:masters, and so do everything/])
  t.equal(found.length, 1)
})

await t.test('one that may do nothing', async (t) => {
  const found = await warnings(t, () => false)
  t.match(found, [
    /may not create tokenreviews/,
    /may not create subjectaccessreviews/,
    /may not impersonate groups system:authenticated: users of client certificates get 403/,
    /may not impersonate userextras\/authentication.kubernetes.io\/credential-id/,
  ])
})
