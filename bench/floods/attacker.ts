// A process of its own, so that what an attack costs the attacker is not measured. Its arguments: the attack, and a Door
// as JSON.
import { ATTACKS } from './attacks.js'
import type { Door } from './door.js'

const [name = '', door = ''] = process.argv.slice(2)
await ATTACKS[name]?.(JSON.parse(door) as Door)
process.exit()
