import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { isEntry, openSse, type SseClient } from '../points/support/sse.ts';
import { callHub, type CallOptions, type Hub, startHub } from '../support/a-hub.ts';
import { onlyOnServer } from '../support/databases.ts';
import { aDownstreamReceiver, type DownstreamReceiver } from '../support/downstream-receiver.ts';
import { type HubProcess, startHubProcess } from '../support/hub-process.ts';
import { withRedis } from '../support/redis-server.ts';

const secrets = { ADMIN_TOKEN: 'a'.repeat(40), SECRETS_KEY: 's'.repeat(40) };
const within = { timeout: 30_000, interval: 50 };
const iss = 'https://idp.example';

onlyOnServer('two nodes', (fixture) => {
  withRedis('DESIGN §4: many nodes, any serves any request', (redis) => {
    /** One in this process, the other in a process of its own. */
    let here: Hub;
    let there: HubProcess;
    const feeds: SseClient[] = [];
    let kills = 0;
    let peer: DownstreamReceiver;
    let poller: { readonly path: string; readonly token: string };
    let told = 0;

    const environment = () => ({
      ...secrets,
      PUBLIC_URL: 'https://hub.example',
      OUTBOUND_ALLOW: '127.0.0.1',
      DATABASE_URL: String(fixture.options.databaseUrl),
      REDIS_URL: redis.url,
    });

    beforeAll(async () => {
      const { dataDir } = fixture.options;
      [here, there] = await Promise.all([
        startHub(environment(), dataDir),
        startHubProcess({ ...environment(), DATA_DIR: dataDir }),
      ]);
      for (const { url } of [here, there]) feeds.push(await openFeed(url));
      peer = await aDownstreamReceiver();
      await createStream({
        receiver: 'pushed-to',
        delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: peer.url },
      });
      const id = await createStream({ receiver: 'polls' });
      const { body } = await here.call('POST', '/v1/tokens', {
        body: { actor: 'polls', scopes: ['ssf.read'] },
      });
      poller = { path: `/ssf/poll/${id}`, token: String(body['token']) };
    });
    afterAll(async () => {
      for (const feed of feeds) feed.close();
      await Promise.all([here.stop('keep'), there.stop()]);
      await peer.close();
    });

    async function createStream(body: object): Promise<string> {
      const answer = await here.call('POST', '/v1/streams', {
        body: { events_requested: ['credential-change'], ...body },
      });
      expect(answer.status, answer.text).toBe(201);
      return String(answer.body['id']);
    }

    const openFeed = async (url: string) => {
      const feed = await openSse(`${url}/v1/feed`, { authorization: `Bearer ${secrets.ADMIN_TOKEN}` });
      await feed.until(({ event }) => event === 'configuration');
      return feed;
    };
    const callThere = (method: string, path: string, options?: CallOptions) =>
      callHub(there.url, secrets.ADMIN_TOKEN, method, path, options);
    const callers = () => [here.call, callThere];

    /** Kills at one node and then at the other, each of a client of its own; answers the ids in the order of their commits. */
    async function killAtBoth(count: number): Promise<readonly string[]> {
      const ids: string[] = [];
      for (let number = 0; number < count; number++) {
        const subject = { iss, client_id: `agent-${kills++}` };
        const call = callers()[number % 2] ?? callThere;
        const answer = await call('POST', '/v1/revocations', { body: { match: subject } });
        expect(answer.status, answer.text).toBe(202);
        ids.push((answer.body['revocations'] as [{ id: string }])[0].id);
      }
      return ids;
    }

    /** Both feeds have told these last, in this order, and all they ever told is the same without a gap. */
    async function expectFed(ids: readonly string[]): Promise<void> {
      for (const feed of feeds) await feed.until(({ data }) => data['id'] === ids.at(-1));
      const [mine = [], others = []] = feeds.map(({ events }) => events.filter(isEntry));
      expect(mine.slice(-ids.length).map(({ data }) => data['id'])).toEqual(ids);
      expect(others.map(({ id }) => id)).toEqual(mine.map(({ id }) => id));
      for (const [index, { data }] of mine.entries()) {
        if (index > 0) expect(data['prev']).toBe(mine[index - 1]?.data['position']);
      }
    }

    /** What both say of themselves: they are ready in any case. */
    async function expectNotices(notices: readonly unknown[]): Promise<void> {
      for (const call of callers()) {
        await vi.waitFor(async () => {
          const { status, body } = await call('GET', '/readyz', { token: null });
          expect([status, body['notices']]).toEqual([200, notices]);
        }, within);
      }
    }

    async function expectLiftedOnce(): Promise<void> {
      const body = { match: { iss, client_id: `agent-${kills++}` }, lift_after_seconds: 1 };
      const ordered = await here.call('POST', '/v1/revocations', { body });
      const [{ id }] = ordered.body['revocations'] as [{ id: string }];
      for (const feed of feeds) {
        await feed.until(({ event, data }) => event === 'lift' && data['id'] === id);
      }
      await killAtBoth(2).then(expectFed);
      for (const { events } of feeds) {
        expect(events.filter(({ event, data }) => event === 'lift' && data['id'] === id)).toHaveLength(1);
      }
      const { body: audit } = await callThere('GET', '/v1/audit?action=revocation.lifted');
      const lifts = audit['items'] as readonly { readonly target: string }[];
      expect(lifts.filter(({ target }) => target === id)).toHaveLength(1);
    }

    /** A token that works at the other node, and its feed there, end when it is revoked here. */
    async function expectTokenEnds(): Promise<void> {
      const made = await here.call('POST', '/v1/tokens', {
        body: { actor: 'w', scopes: ['feed.read', 'audit.read'] },
      });
      const token = String(made.body['token']);
      expect((await callThere('GET', '/v1/audit', { token })).status).toBe(200);
      const feed = await openSse(`${there.url}/v1/feed`, { authorization: `Bearer ${token}` });
      await here.call('DELETE', `/v1/tokens/${String(made.body['id'])}`);
      await feed.until(({ event, data }) => event === 'goodbye' && data['reason'] === 'token-ended');
      await feed.ended;
      await vi.waitFor(async () => {
        expect((await callThere('GET', '/v1/audit', { token })).status).toBe(401);
      }, within);
    }

    /** Says something of a client that puts no entry, at that node. */
    async function tell(call: Hub['call'], client: string, change: string): Promise<string> {
      const data = { credential_type: 'x509', change_type: change };
      const subject = { iss, client_id: client };
      const answer = await call('POST', '/v1/signals', {
        body: { event: 'credential-change', subject, data },
      });
      expect(answer.status, answer.text).toBe(202);
      return String(answer.body['txn']);
    }

    /** What is told of each client at one node and then at the other is pushed in this order, each SET, by whichever. */
    async function expectPushed(): Promise<void> {
      const clients = Array.from({ length: 8 }, () => `told-${told++}`);
      const changes = ['create', 'update', 'delete'];
      for (const [n, change] of changes.entries()) {
        await Promise.all(
          clients.map((client, m) => tell(callers()[(n + m) % 2] ?? callThere, client, change)),
        );
      }
      await vi.waitFor(() => {
        const arrived = new Map<string, unknown>();
        for (const { claims } of peer.received) {
          const { jti, sub_id: subject, events } = claims as unknown as Told;
          const { sub } = subject.application;
          const [{ change_type: change }] = Object.values(events) as [{ change_type: string }];
          if (clients.includes(sub)) arrived.set(jti, `${sub} ${change}`);
        }
        const inOrder = clients.map((client) =>
          [...arrived.values()].filter((one) => `${String(one)} `.startsWith(`${client} `)),
        );
        expect(inOrder).toEqual(clients.map((client) => changes.map((change) => `${client} ${change}`)));
      }, within);
    }

    /** Whoever waits at one node is woken by what is told at the other; what is acknowledged there comes at neither. */
    async function expectPolled(): Promise<void> {
      const poll = async (call: Hub['call'], body: object) => {
        const answer = await call('POST', poller.path, { token: poller.token, body });
        expect(answer.status, answer.text).toBe(200);
        return Object.keys(answer.body['sets'] as object);
      };
      await drain(poll);
      for (const [waits, tells] of [callers(), callers().toReversed()] as [Hub['call'], Hub['call']][]) {
        const waiting = poll(waits, {});
        await tell(tells, `told-${told++}`, 'update');
        const jtis = await waiting;
        expect(jtis).toHaveLength(1);
        expect(await poll(tells, { ack: jtis, returnImmediately: true })).toEqual([]);
        expect(await poll(waits, { returnImmediately: true })).toEqual([]);
      }
    }
    async function drain(
      poll: (call: Hub['call'], body: object) => Promise<readonly string[]>,
    ): Promise<void> {
      for (let jtis = await poll(here.call, { returnImmediately: true }); jtis.length > 0; ) {
        jtis = await poll(here.call, { ack: jtis, returnImmediately: true });
      }
    }

    it('each SET is pushed, in order, whichever node it was caused at', expectPushed);

    it('a poll that waits at either is answered with what is told at the other', expectPolled);

    it('what is killed at either is in the feed of both, in one order', async () => {
      await killAtBoth(20).then(expectFed);
      await expectNotices([]);
    });

    it('both listen on one channel, that of their database', async () => {
      const client = new Redis(redis.url);
      const channels = (await client.pubsub('CHANNELS', 'caep-hub:*')) as string[];
      expect(channels).toEqual([expect.stringMatching(/^caep-hub:[0-9a-f]{16}:wake-ups$/)]);
      expect(await client.pubsub('NUMSUB', ...channels)).toEqual([channels[0], 2]);
      client.disconnect();
    });

    it('a token revoked at one ends at the other', expectTokenEnds);

    it('a scheduled lift is done once', expectLiftedOnce);

    it('while Redis is away both serve, catch up, end tokens and lift what is due', async () => {
      await redis.kill();
      await killAtBoth(20).then(expectFed);
      await expectNotices([expect.stringContaining('Redis is away')]);
      await killAtBoth(2).then(expectFed);
      await expectTokenEnds();
      await expectLiftedOnce();
      await expectPushed();
      await expectPolled();
      for (const call of callers()) {
        const { text } = await call('GET', '/metrics');
        expect(text).toMatch(/^caep_hub_alerts_total\{kind="redis-away"\} [1-9]$/m);
      }
    });

    it('a node starts without it, hears of what is killed, and ends in order', async () => {
      const third = await startHubProcess({ ...environment(), DATA_DIR: fixture.options.dataDir });
      const feed = await openFeed(third.url);
      const ids = await killAtBoth(2);
      await feed.until(({ data }) => data['id'] === ids.at(-1));
      expect(feed.events.filter(isEntry).map(({ data }) => data['id'])).toEqual(ids);
      await third.stop();
      expect(feed.events.at(-1)?.event).toBe('goodbye');
      expect(third.child.exitCode).toBe(0);
    });

    it('and go on with it when it is back, and empty', async () => {
      await redis.start();
      await expectNotices([]);
      await killAtBoth(20).then(expectFed);
      await expectTokenEnds();
      await expectLiftedOnce();
      await expectPushed();
      await expectPolled();
      // A busy machine may take it for away besides; each time is told, and so is its end.
      const changes = here.lines.filter((line) => line.includes('"Redis is '));
      expect(changes.length).toBeGreaterThanOrEqual(2);
      expect(changes.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(
        changes.map((_, n) =>
          n % 2 === 0 ? (expect.stringContaining('Redis is away') as string) : 'Redis is back',
        ),
      );
    });
  });
});

type Told = {
  readonly jti: string;
  readonly sub_id: { readonly application: { readonly sub: string } };
  readonly events: object;
};
