import { createHash } from 'node:crypto'
import { errorMessage, ConfigError } from '../../../errors.js'
import type { Reloadable } from '../../../live/reloadable.js'
import { anchorEvent } from '../../seal/anchor-event.js'
import { readSealKeys } from '../../seal/keys.js'
import { loadHead } from '../../seal/load-head.js'
import type { Anchor, SealOptions } from '../../seal/options.js'
import { Sealer } from '../../seal/sealer.js'
import type { PluginDeps } from '../plugin.js'
import type { Problems } from '../problems.js'
import { LOG_PLUGIN } from './log-backend.js'
import type { LogObserver } from './log-observer.js'
import { standardOutput, type LogOutput } from './log-output.js'

/** How many statements may wait for a reader of standard output. */
const MAX_WAITING = 1000

/** The seal of a log file. */
export interface LogSeal {
  /** For who writes the file. */
  readonly observer: LogObserver
  /** The file, with what the seal adds to it. */
  over(file: LogOutput): LogOutput
}

/**
 * Begins to seal a log, where an earlier process has ended.
 * @throws ConfigError where the key cannot be used, or an anchor is none
 */
export async function openLogSeal(
  path: string,
  { keyFile, where, interval, strict, anchors }: SealOptions,
  problems: Problems,
  {
    metrics,
    peer,
    onReloadable,
    onFileSeal,
  }: Pick<PluginDeps, 'metrics' | 'peer' | 'onReloadable' | 'onFileSeal'>,
): Promise<LogSeal> {
  const keys = readSealKeys(keyFile, where)
  const loaded = await loadHead(path, keys, where)
  const send = anchors.map((anchor) => openAnchor(anchor, problems, peer))
  let last = performance.now()
  const sealer = new Sealer(
    { log: path, keys, loaded, interval, sync: strict },
    {
      stored(line) {
        last = performance.now()
        for (const one of send) one(line)
      },
      failed(reason) {
        metrics.observeSealFailure(LOG_PLUGIN)
        problems.trouble('cannot seal', reason)
      },
    },
  )
  const hide = metrics.showSeal(LOG_PLUGIN, () => (performance.now() - last) / 1000)
  onReloadable(reloadableKey(keyFile, where, sealer))
  onFileSeal(sealer.wholeFiles)
  return {
    observer: observe(sealer, hide, problems),
    over: (file) => (strict ? strictly(file, sealer) : file),
  }
}

function observe(sealer: Sealer, hide: () => void, problems: Problems): LogObserver {
  return {
    opened: (file) => sealer.opened(file),
    writing: (lines) => sealer.writing(lines),
    written: (bytes) => sealer.written(bytes),
    disturbed: (size) => sealer.disturbed(size),
    rotating: () => sealer.rotating(),
    rotated: (name) => sealer.rotated(name),
    async removing(file) {
      try {
        await sealer.removing(file)
      } catch (err) {
        problems.trouble(
          'cannot seal',
          `${file} is removed and its seal cannot be read: ${errorMessage(err)}`,
        )
      }
    },
    settled: () => sealer.settled(),
    async closed() {
      await sealer.closed()
      hide()
    },
  }
}

/** A file whose lines are stored only when they are sealed. What was written together is sealed together. */
function strictly(file: LogOutput, sealer: Sealer): LogOutput {
  return {
    async append(lines) {
      const result = await file.append(lines)
      if (result.stored === 0 || (await sealer.sealed())) return result
      return { stored: 0, error: 'the lines are written, but could not be sealed' }
    },
    close: () => file.close(),
  }
}

/** When the file of the key has another one, the one so far signs it. */
function reloadableKey(keyFile: string, where: string, sealer: Sealer): Reloadable {
  return {
    name: 'audit-seal-key-file',
    files: () => [keyFile],
    reload: () => sealer.setKey(readSealKeys(keyFile, where).current),
  }
}

function openAnchor(anchor: Anchor, problems: Problems, peer: PluginDeps['peer']): (line: Buffer) => void {
  switch (anchor) {
    case 'stdout':
      return stdoutAnchor(problems)
    case 'webhook': {
      const send = peer('webhook')
      if (send === undefined)
        throw new ConfigError(
          '--audit-seal-anchor: found webhook, expected --audit-webhook-config-file as well: it is sent there',
        )
      return (line) => {
        const id = createHash('sha256').update(line).digest('hex').slice(0, 32)
        send(anchorEvent(line, id, Date.now()))
      }
    }
  }
}

function stdoutAnchor(problems: Problems): (line: Buffer) => void {
  const output = standardOutput()
  let waiting = 0
  let writing = Promise.resolve()
  return (line) => {
    if (waiting === MAX_WAITING) {
      problems.trouble('cannot anchor', 'nobody reads standard output')
      return
    }
    waiting++
    writing = writing.then(async () => {
      const { error } = await output.append(Buffer.concat([line, Buffer.from('\n')]))
      waiting--
      if (error !== undefined) problems.trouble('cannot anchor', error)
    })
  }
}
