import { readCommandFlags } from '../cli/command-flags.js'
import { Player } from '../sessions/player.js'
import { PLAY_USAGE } from './sessions-flags.js'
import { warn, write } from './sessions-output.js'
import { untilStopped } from './until-stopped.js'
import { eventsOf, findRecording } from './sessions-read.js'

export const PLAY_SUMMARY = 'Play a session in this terminal.'

/** What a session may leave a terminal in: another screen, colours, no cursor, reports of the mouse and of what is pasted. */
const RESTORE = '\x1b[?1049l\x1b[0m\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\n'

/** `sessions play`. @throws ConfigError */
export async function sessionsPlay(args: readonly string[]): Promise<number> {
  const flags = readCommandFlags(args, PLAY_USAGE)
  if (flags === undefined) return 0
  const recording = await findRecording(PLAY_USAGE.name, flags.args)
  const { stdin, stdout } = process
  if (stdout.isTTY)
    warn(
      PLAY_USAGE.name,
      'the escape sequences of the session are shown as they are; the space bar pauses, q ends it',
    )
  const player = new Player({
    speed: flags.get('speed'),
    idleTimeLimit: flags.get('idle-time-limit') / 1000,
    write,
  })
  // What the terminal answers to the session's questions is read here as well, and so reaches no shell.
  const onKeys = (keys: Buffer): void => {
    const text = keys.toString('latin1')
    if (text === ' ') player.toggle()
    if (text === 'q' || text === '\x03') player.stop.abort()
  }
  try {
    if (stdin.isTTY) stdin.setRawMode(true).on('data', onKeys).resume()
    await untilStopped(async (signal) => {
      signal.addEventListener('abort', () => player.stop.abort())
      const over = AbortSignal.any([signal, player.stop.signal])
      await player.play(eventsOf(recording, flags.get('follow'), over))
    })
  } finally {
    if (stdout.isTTY) await write(RESTORE)
    if (stdin.isTTY) stdin.off('data', onKeys).setRawMode(false).pause()
  }
  return 0
}
