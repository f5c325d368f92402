/** What Kubernetes multiplexes over the connection of an exec or an attach. */
export const CHANNELS = ['stdin', 'stdout', 'stderr', 'error', 'resize'] as const
export type Channel = (typeof CHANNELS)[number]

/** Is told what a session's channels carry, in the order in which it passes. The bytes are the caller's again afterwards. */
export interface ChannelSink {
  data(channel: Channel, bytes: Buffer): void
}

/** Reads the two directions of a session's connection, and knows how to end it. Pure: nothing here waits or is opened. */
export interface SessionStream {
  /** @throws StreamError */
  fromClient(chunk: Buffer): void
  /** @throws StreamError */
  fromUpstream(chunk: Buffer): void
  /**
   * Where in the chunk that fromUpstream read last bytes of our own may be put in: behind its last whole message. 0 where
   * that is before the chunk and everything before it has passed whole; -1 where a message is under way that began before
   * the chunk and does not end in it.
   */
  readonly boundary: number
  /**
   * What ends the session for the client.
   * @param text for its terminal
   */
  farewell(text: string, status: FarewellStatus): Buffer
}

/** What the error channel says: as JSON of a metav1.Status since v4, as its message before. */
export interface FarewellStatus {
  readonly json: string
  readonly message: string
}

/** What the client asked to have connected. */
export interface Connected {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}
