import { expect, it } from 'vitest';
import { startHub } from '../../support/a-hub.ts';

it('a hub that shuts down says goodbye to its feeds, and takes no more', async () => {
  const hub = await startHub();
  const feed = await fetch(`${hub.url}/v1/feed`, { headers: { authorization: `Bearer ${hub.adminToken}` } });
  const [text] = await Promise.all([feed.text(), hub.stop()]);
  expect(text).toContain('event: goodbye');
  expect(text).toContain('shutting-down');
  await expect(hub.call('GET', '/healthz')).rejects.toThrow('fetch failed');
});
