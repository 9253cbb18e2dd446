import { serveParent } from '../processes.ts';

/** The yardstick for loading a snapshot: every line parsed and kept in a `Map` by its id, nothing checked. */
const kept = new Map<string, unknown>();

serveParent({
  /** Answers in milliseconds how long it took. */
  async load({
    url,
    token,
    point,
  }: {
    readonly url: string;
    readonly token: string;
    readonly point: string;
  }) {
    const startedMs = performance.now();
    const response = await fetch(new URL('/v1/feed/snapshot', url), {
      headers: {
        authorization: `Bearer ${token}`,
        'caep-point': `${point}/bare`,
        'accept-encoding': 'identity',
      },
    });
    if (!response.ok || !response.body) throw new Error(`the snapshot was answered ${response.status}`);
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) keep(line);
    }
    return performance.now() - startedMs;
  },
  entries: () => kept.size,
});

function keep(line: string): void {
  const entry = JSON.parse(line) as { readonly id?: string };
  if (entry.id !== undefined) kept.set(entry.id, entry);
}
