import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { forEachDatabase } from '../support/databases.ts';
import { asWatcher, type PointsHub, startPointsHub } from './support/points-hub.ts';
import { aRevocation, put } from './support/write-feed.ts';

/** Far more bytes than two sockets of the loopback take while nobody reads. */
const [entries, entryBytes] = [400, 20_000];

forEachDatabase('readers of the snapshot', (fixture) => {
  let hub: PointsHub;
  beforeAll(async () => {
    for (let written = 0; written < entries; written += 20) {
      const bulky = Array.from({ length: 20 }, () =>
        aRevocation({ restrict: { scope: 'x'.repeat(entryBytes) } }),
      );
      await put(fixture.database, ...bulky);
    }
  });
  afterEach(() => hub.close());

  const ask = async () => {
    const response = await hub.get('/v1/feed/snapshot', { ...asWatcher, 'accept-encoding': 'identity' });
    const { length } = (await response.text()).trimEnd().split('\n');
    return {
      status: response.status,
      retryAfter: Number(response.headers.get('retry-after')),
      lines: length,
    };
  };
  const askUntilTaken = async () => {
    for (;;) {
      const taken = await ask();
      if (taken.status !== 429) return taken;
      await delay(20);
    }
  };

  it('429 beyond as many as a node serves, with a time to try again; one that has gone makes room', async () => {
    hub = await startPointsHub(fixture.database, { limits: { snapshotReadersMax: 1 } });
    const slow = await deafReader(hub.url);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(refused.retryAfter).toBeGreaterThan(0);
    slow.destroy();
    expect(await askUntilTaken()).toMatchObject({ status: 200, lines: entries + 2 });
    expect((await askUntilTaken()).status).toBe(200);
  });

  it('one that is not through in time is cut off', async () => {
    hub = await startPointsHub(fixture.database, { limits: { snapshotReadersMax: 1, snapshotMsMax: 2_000 } });
    const slow = await deafReader(hub.url);
    const cut = once(slow, 'close');
    expect((await ask()).status).toBe(429);
    expect((await askUntilTaken()).status).toBe(200);
    slow.resume();
    await cut;
  });
});

/** Asks for the snapshot, reads that it is given, and takes no more of it. */
async function deafReader(url: string): Promise<Socket> {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(
    `GET /v1/feed/snapshot HTTP/1.1\r\nHost: hub\r\nAuthorization: ${asWatcher.authorization}\r\n\r\n`,
  );
  await once(socket, 'data');
  return socket.pause();
}
