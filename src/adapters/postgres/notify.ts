import { setTimeout as delay } from 'node:timers/promises';
import { type Client, escapeIdentifier } from 'pg';

const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
/** How often a silent connection is asked whether it is still there. */
const PROBE_EVERY_MS = 2_000;

export type Subscriber = {
  onNotification(payload: string): void;
  /** Notifications may have been missed: the subscription took hold only now, at first or after a lost connection. Read again. */
  onGap(): void;
};
/** Subscribes to a NOTIFY channel; answers the function that ends the subscription. */
export type Listen = (channel: string, subscriber: Subscriber) => () => void;

type Subscription = {
  readonly channel: string;
  readonly subscriber: Subscriber;
  /** The connection it took hold on. */
  client: Client | undefined;
};

/**
 * LISTEN on one dedicated connection, which is replaced when it breaks or falls silent. It connects with the first
 * subscription and then for as long as the listener lives.
 */
export function createListener(options: {
  readonly connect: () => Client;
  readonly onError: (error: Error) => void;
}): { readonly listen: Listen; close(): Promise<void> } {
  const subscriptions = new Set<Subscription>();
  const closed = new AbortController();
  let wake = new AbortController();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    for (let wait = RECONNECT_FIRST_MS; !closed.signal.aborted; ) {
      const client = options.connect();
      client.on('error', options.onError);
      try {
        await client.connect();
        wait = RECONNECT_FIRST_MS;
        await serve(client);
      } catch (error) {
        if (closed.signal.aborted) break;
        options.onError(error instanceof Error ? error : new Error(String(error)));
      } finally {
        void client.end().catch(() => undefined);
      }
      await delay(wait, undefined, { signal: closed.signal }).catch(() => undefined);
      wait = Math.min(wait * 2, RECONNECT_MAX_MS);
    }
  }

  /** Until the listener is closed; throws when the connection is lost. */
  async function serve(client: Client): Promise<void> {
    let isLost = false;
    client.once('end', () => {
      isLost = true;
      wake.abort();
    });
    client.on('notification', ({ channel, payload }) => {
      for (const subscription of subscriptions) {
        if (subscription.channel === channel) subscription.subscriber.onNotification(payload ?? '');
      }
    });
    while (!closed.signal.aborted) {
      wake = new AbortController();
      if (isLost) throw new Error('the listening connection ended');
      await takeHold(client);
      await client.query('SELECT 1');
      const pause = delay(PROBE_EVERY_MS, undefined, { signal: wake.signal, ref: false });
      await pause.catch(() => undefined);
    }
  }

  async function takeHold(client: Client): Promise<void> {
    for (const subscription of subscriptions) {
      if (subscription.client === client) continue;
      await client.query(`LISTEN ${escapeIdentifier(subscription.channel)}`);
      subscription.client = client;
      if (subscriptions.has(subscription)) subscription.subscriber.onGap();
    }
  }

  return {
    listen(channel, subscriber) {
      const subscription: Subscription = { channel, subscriber, client: undefined };
      subscriptions.add(subscription);
      wake.abort();
      running ??= run();
      return () => void subscriptions.delete(subscription);
    },
    async close() {
      closed.abort();
      wake.abort();
      await running;
    },
  };
}
