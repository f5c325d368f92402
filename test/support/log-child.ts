import { never } from './audit.js'
import { openLog, sendEvents } from './audit-backend.js'

// Writes one event to the log that its argument names, tells its parent what was logged, and keeps the log until that is gone.
const [path = ''] = process.argv.slice(2)
const { backend, lines } = await openLog(path)
await sendEvents(backend, 0, 1)
process.send?.(lines)
process.once('disconnect', () => void backend.shutdown(never))
