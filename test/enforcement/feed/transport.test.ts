import { getEventListeners } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createHubTransport, post } from '../../../src/enforcement/feed-transport.ts';
import { loadSnapshot } from '../../../src/enforcement/snapshot-load.ts';

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

async function aTransport(answer: RequestListener) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hub = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const transport = createHubTransport({ hub, token: 'chub_secret', point: 'edge/1' });
  ending.push(() => {
    transport.close();
    server.closeAllConnections();
    server.close();
  });
  return transport;
}

/** What hangs at a signal: listeners, and the signals that Node derived from it. */
function hangingAt(signal: AbortSignal): number {
  const derived = Object.getOwnPropertySymbols(signal).find(
    ({ description }) => description === 'kDependantSignals',
  );
  const signals = derived && (Reflect.get(signal, derived) as ReadonlySet<unknown> | undefined);
  return getEventListeners(signal, 'abort').length + (signals?.size ?? 0);
}

describe('what is sent to the hub', () => {
  it('leaves nothing at the signal that would stop it, however often', async () => {
    const transport = await aTransport((_, response) => response.end('{}'));
    const stop = new AbortController();
    for (let count = 0; count < 20; count += 1) await post(transport, 'x', {}, stop.signal, 5_000);
    expect(hangingAt(stop.signal)).toBe(0);
  });

  it('is stopped by that signal, before and under way, and after its time', async () => {
    let asked = 0;
    const transport = await aTransport(() => (asked += 1));
    const stop = new AbortController();
    const under = post(transport, 'x', {}, stop.signal, 60_000);
    await expect.poll(() => asked).toBe(1);
    stop.abort(new Error('enough'));
    await expect(under).rejects.toThrow('aborted');
    await expect(post(transport, 'x', {}, stop.signal, 60_000)).rejects.toThrow('aborted');
    expect(asked).toBe(1);
    const { signal } = new AbortController();
    await expect(post(transport, 'x', {}, signal, 20)).rejects.toThrow(/aborted|no answer within 20 ms/);
  });

  it('a refused snapshot is not read: it may have no end', async () => {
    let closed = false;
    const transport = await aTransport((_, response) => {
      response.writeHead(503);
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 1);
      response.on('close', () => {
        clearInterval(timer);
        closed = true;
      });
    });
    await expect(
      loadSnapshot(transport, { compress: false, packed: true }, new AbortController().signal),
    ).rejects.toThrow('503');
    await expect.poll(() => closed).toBe(true);
  });
});
