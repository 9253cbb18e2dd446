/**
 * Work with a signal that fires with `stop`, or after the time. By a timer of its own, which keeps what `AbortSignal.any`
 * may lose: on Node 20 a timeout that only it holds is collected before it fires, and at a `stop` that lives as long as
 * we do it leaves something each time.
 */
export async function within<Outcome>(
  stop: AbortSignal | undefined,
  timeoutMs: number,
  work: (either: AbortSignal) => Promise<Outcome>,
): Promise<Outcome> {
  const ended = new AbortController();
  const end = (): void => ended.abort(stop?.reason);
  const timer = setTimeout(() => ended.abort(new Error(`not done within ${timeoutMs} ms`)), timeoutMs);
  stop?.addEventListener('abort', end, { once: true });
  if (stop?.aborted) end();
  try {
    return await work(ended.signal);
  } finally {
    clearTimeout(timer);
    stop?.removeEventListener('abort', end);
  }
}
