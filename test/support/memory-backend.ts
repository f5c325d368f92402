import { newLineEncoder } from '../../src/audit/encode.js'
import { deliveryFlags, readDelivery } from '../../src/audit/backend/delivery-options.js'
import type { BackendPlugin } from '../../src/audit/backend/plugin.js'
import { FlagValues, withPrefix } from '../../src/cli/flag-values.js'
import type { Flag } from '../../src/cli/flag.js'

const PREFIX = 'audit-memory-'
const OWN_FLAGS = [
  { name: 'audit-memory-name', type: 'string', default: '', group: 'Auditing', help: 'Turns it on.' },
] as const satisfies readonly Flag[]
const DELIVERY = deliveryFlags({
  mode: 'blocking',
  maxSize: 10,
  maxWait: 1000,
  throttle: false,
  qps: 0,
  burst: 0,
})

/** A whole backend: lines in an array. */
export class MemoryPlugin implements BackendPlugin {
  readonly name = 'memory'
  readonly flags = [...OWN_FLAGS, ...withPrefix(PREFIX, DELIVERY)]
  readonly lines: string[] = []

  readonly configure: BackendPlugin['configure'] = (settings) => {
    const values = new FlagValues(OWN_FLAGS, settings)
    if (values.text('audit-memory-name') === undefined) return undefined
    const delivery = readDelivery(DELIVERY, settings, PREFIX)
    return {
      name: this.name,
      where: values.where('audit-memory-name'),
      delivery,
      takesLines: true,
      open: (form) => {
        const encode = form.encoder(newLineEncoder(delivery.version))
        const backend = {
          name: this.name,
          processEvents: (events: readonly Parameters<typeof encode>[0][]) =>
            this.lines.push(...events.map((event) => encode(event).toString())) > 0,
          shutdown: () => Promise.resolve(),
        }
        return { backend, maxInFlight: 1 }
      },
    }
  }
}
