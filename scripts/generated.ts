import { fileURLToPath } from 'node:url'
import { CHECK_USAGE } from '../src/commands/policy-check.js'
import { EXPLAIN_USAGE } from '../src/commands/policy-explain.js'
import { EVENTS_USAGE } from '../src/commands/events-flags.js'
import { KUBECONFIG_USAGE } from '../src/commands/kubeconfig.js'
import { SEAL_KEYGEN_USAGE, SEAL_PUBKEY_USAGE } from '../src/commands/seal.js'
import { VERIFY_USAGE } from '../src/commands/verify.js'
import {
  CAT_USAGE,
  EXPORT_USAGE,
  LIST_USAGE,
  PLAY_USAGE,
  SHOW_USAGE,
} from '../src/commands/sessions-flags.js'
import { allFlags } from '../src/cli/commands.js'
import { PROXY_FLAGS } from '../src/options.js'
import { exampleConfig } from './example-config.js'
import { flagsMarkdown } from './flags-markdown.js'
import { manPage } from './man-page.js'

const FLAGS = allFlags(PROXY_FLAGS)
const SESSIONS = [LIST_USAGE, SHOW_USAGE, CAT_USAGE, PLAY_USAGE, EXPORT_USAGE]
const COMMANDS = [
  EVENTS_USAGE,
  VERIFY_USAGE,
  SEAL_KEYGEN_USAGE,
  SEAL_PUBKEY_USAGE,
  ...SESSIONS,
  CHECK_USAGE,
  EXPLAIN_USAGE,
  KUBECONFIG_USAGE,
]

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))

/** The files that are made from the flag table, and what is to be in them. */
export function generatedFiles(): [file: string, content: string][] {
  return [
    [path('docs/flags.md'), flagsMarkdown(FLAGS, COMMANDS)],
    [path('man/kube-audit-proxy.8'), manPage(FLAGS, COMMANDS)],
    [path('config/kube-audit-proxy.yaml'), exampleConfig(FLAGS)],
  ]
}
