import { never } from './audit.js'
import { openLog, sendEvents } from './audit-backend.js'

// Writes as many events as its argument says to its standard output, or the path that it is given, and on standard error what
// became of them.
const [count, path = '-'] = process.argv.slice(2)
const { backend, errors } = await openLog(path, 'maxsize=1')
const refused = await sendEvents(backend, 0, Number(count), { size: 1000 })
await backend.shutdown(never)
process.stderr.write(`${refused.length} refused, ${await errors('log')} counted\n`)
