import type { Awaitable } from '../awaitable.js'

/** What a reload has to say of itself, for the log. */
export interface ReloadReport {
  /** Goes with the line that says that the file was reloaded. */
  readonly fields: object
  /** A line of its own, where somebody should look at what has changed. */
  readonly warning?: string | undefined
}

/** Something that is made of files and can be made again while the process runs. */
export interface Reloadable {
  /** For metrics and messages: the flag that names the file, without its dashes. */
  readonly name: string
  /** The files whose change is a reason to reload. Asked again after each reload: a kubeconfig names others. */
  files(): readonly string[]
  /**
   * Reads the files, checks what they say and puts it in force; where that fails, what was in force stays.
   * @throws ConfigError with one line that names the file
   */
  reload(): Awaitable<ReloadReport | void>
}
