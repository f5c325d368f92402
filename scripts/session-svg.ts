// Makes the picture of a played session: node build/scripts/session-svg.js session.cast > docs/session.svg
import { readEvents, readHeader } from '../src/sessions/cast-reader.js'
import { PlainText } from '../src/sessions/plain-text.js'

const [CHARACTER, LINE, MARGIN] = [8.4, 18, 16]
/** The longest that nothing happens, and what is left standing at the end, in seconds. */
const [IDLE, REST] = [1, 4]

interface Piece {
  readonly at: number
  readonly line: number
  readonly column: number
  readonly text: string
}

const [file = ''] = process.argv.slice(2)
const header = await readHeader(file)
if (header === undefined) throw new Error(`${file}: no recording of kube-audit-proxy`)

const pieces: Piece[] = []
const plain = new PlainText()
let [line, column, now, before] = [0, 0, 0.5, 0]
for await (const { at, code, data } of readEvents(file)) {
  if (code !== 'o') continue
  now += Math.min(IDLE, at - before)
  before = at
  for (const [i, text] of plain.write(data).split('\n').entries()) {
    if (i > 0) [line, column] = [line + 1, 0]
    if (text !== '') pieces.push({ at: now, line, column, text })
    column += text.length
  }
}

const total = now + REST
const widest = Math.max(60, ...pieces.map((piece) => piece.column + piece.text.length))
const width = Math.ceil(widest * CHARACTER + 2 * MARGIN)
const height = (line + 2) * LINE + 2 * MARGIN
const { auditID, user, namespace, pod } = header.metadata
const title = `${user}: kubectl exec -it -n ${namespace} ${pod} -- ${header.command ?? ''}`
const escaped = (text: string): string => text.replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`)

/** Each piece is seen from its moment to the end of the round. */
const frames = pieces.map(({ at }, i) => {
  const from = ((100 * at) / total).toFixed(2)
  return `@keyframes k${i}{0%,${from}%{opacity:0}${from}%,100%{opacity:1}}.k${i}{animation:k${i} ${total.toFixed(1)}s step-end infinite}`
})
const texts = pieces.map(
  ({ line, column, text }, i) =>
    `<text class="k${i}" x="${(MARGIN + column * CHARACTER).toFixed(1)}" y="${MARGIN + (line + 2) * LINE}" xml:space="preserve">${escaped(text)}</text>`,
)
process.stdout
  .write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<style>text{font:14px/1 ui-monospace,Menlo,Consolas,monospace;fill:#d8dee9}.title{fill:#8fbcbb}${frames.join('')}</style>
<rect width="100%" height="100%" rx="8" fill="#1b2028"/>
<text class="title" x="${MARGIN}" y="${MARGIN + LINE / 2}">${escaped(`${title}   (${auditID.slice(0, 8)})`)}</text>
${texts.join('\n')}
</svg>
`)
