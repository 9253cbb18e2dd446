/**
 * One run at a time: a call during one means another after it, and everybody who called waits for a run that began
 * after their call. What they are told, a failure too, is how that came out.
 */
export function coalesce(run: () => Promise<void>): () => Promise<void> {
  let wanted = false;
  let running: Promise<void> | undefined;
  async function runWhileWanted(): Promise<void> {
    try {
      while (wanted) {
        wanted = false;
        await run();
      }
    } finally {
      running = undefined;
    }
  }
  return () => {
    wanted = true;
    running ??= runWhileWanted();
    return running;
  };
}
