/** Runs until it is done, or a signal or the end of the pipe's reader says that it is to stop. */
export async function untilStopped<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  const onStdoutError = (err: NodeJS.ErrnoException): void => {
    // The reader of the pipe has seen enough.
    if (err.code !== 'EPIPE') throw err
    stop.abort()
  }
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  process.stdout.on('error', onStdoutError)
  try {
    return await act(stop.signal)
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    process.stdout.off('error', onStdoutError)
  }
}
