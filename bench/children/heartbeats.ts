import { request } from 'node:http';
import { serveParent } from '../processes.ts';

/** One reader of the feed that only listens for heartbeats: how long it was left without one. */
let lastMs = 0;
let longestMs = 0;

serveParent({
  open: ({ url, token, point }: { readonly url: string; readonly token: string; readonly point: string }) =>
    new Promise<void>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'caep-point': `${point}/heartbeats` };
      const outgoing = request(url, { headers, agent: false }, (incoming) => {
        let rest = '';
        incoming.setEncoding('utf8').on('data', (text: string) => {
          const frames = (rest + text).split('\n\n');
          rest = frames.pop() ?? '';
          for (const frame of frames) if (frame.includes('event: heartbeat')) hear(resolve);
        });
        incoming.on('error', reject);
      });
      outgoing.on('error', reject).end();
    }),
  watch() {
    longestMs = 0;
  },
  /** Since `watch`, and up to now. */
  longestMs: () => Math.max(longestMs, performance.now() - lastMs),
});

function hear(first: () => void): void {
  const now = performance.now();
  if (lastMs > 0) longestMs = Math.max(longestMs, now - lastMs);
  lastMs = now;
  first();
}
