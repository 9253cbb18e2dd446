import { randomUUID } from 'node:crypto';
import { aReceipt } from '../../points/support/a-receipt.ts';
import { isEntry, openSse } from '../../points/support/sse.ts';

type Caller = {
  readonly url: string;
  call(
    method: string,
    path: string,
    options?: { readonly body?: unknown },
  ): Promise<{ readonly body: Record<string, unknown> }>;
};
export type AnInstance = {
  report(body: object): Promise<void>;
  /** It confirms no more, though its stream stays. */
  hush(): void;
  leave(): Promise<void>;
};

/** Adds a point and answers its token. */
export async function addPoint(hub: Caller, name: string, expect: number): Promise<string> {
  const { body } = await hub.call('POST', '/v1/points', { body: { name, expect } });
  return (body['token'] as { readonly secret: string }).secret;
}

/** An enforcement point's process: follows the feed and confirms each entry. Resolves when the hub counts it. */
export async function joinPoint(url: string, token: string, name: string): Promise<AnInstance> {
  const headers = { authorization: `Bearer ${token}`, 'caep-point': name };
  const post = async (path: string, body: object): Promise<void> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  };
  const feed = await openSse(`${url}/v1/feed`, headers);
  await feed.until(({ event }) => event === 'hello');
  await post('/v1/points/receipts', aReceipt());
  let told = feed.events.length;
  let hushed = false;
  feed.response.on('data', () => {
    const newest = feed.events.slice(told).findLast(isEntry);
    told = feed.events.length;
    if (newest !== undefined && !hushed)
      void post('/v1/points/receipts', aReceipt({ applied: newest.id })).catch(() => undefined);
  });
  return {
    report: (body) => post('/v1/points/reports', { batch_id: randomUUID(), ...body }),
    hush: () => void (hushed = true),
    async leave() {
      await post('/v1/points/receipts', aReceipt({ goodbye: true }));
      feed.close();
    },
  };
}
