import { never } from './audit.js'
import { openLog, sendEvents } from './audit-backend.js'

// Writes as many events as its argument says to its standard output, and on standard error what became of them.
const { backend, errors } = await openLog('-')
const refused = await sendEvents(backend, 0, Number(process.argv[2]), { size: 1000 })
await backend.shutdown(never)
process.stderr.write(`${refused.length} refused, ${await errors('log')} counted\n`)
