/** Sees the bytes that pass through a tunnel before they go on. An exception in here ends the tunnel, not the process. */
export interface TunnelWatcher {
  /**
   * The upstream has agreed, and nothing has passed yet.
   * @param headers of the 101: name, value, ...
   */
  joined(headers: readonly string[], control: TunnelControl): void
  fromClient(chunk: Buffer): void
  /** Answers what goes on of it: all, unless the tunnel ends in it. */
  fromUpstream(chunk: Buffer): Buffer
}

/** What whoever watches a tunnel may do with it. */
export interface TunnelControl {
  /** Lets nothing more pass, either way, until release. Back-pressure does the rest. */
  hold(): void
  release(): void
  /**
   * Ends the tunnel: the upstream is cut off, and the client gets these bytes as its last. From inside of fromUpstream they
   * come behind what that answers.
   */
  finish(last: Buffer): void
}
