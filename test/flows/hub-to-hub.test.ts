import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { anAuthority } from '../support/certificates.ts';
import { makeClient } from '../http/authorization/an-oauth-client.ts';

/** A SET that was under way when its key went is pushed again after a minute (`keyPropagationMs`). */
const within = { timeout: 150_000, interval: 50 };
const idp = 'https://idp.example';
const authority = anAuthority();
const directory = mkdtempSync(join(tmpdir(), 'caep-hub-to-hub-'));
const before = getGlobalDispatcher();

type Signal = { readonly id: string; readonly txn: string; readonly decision: { readonly outcome: string } };

/** Serves and calls by https, and trusts the authority of this test and nobody else's. */
async function aHub(name: string): Promise<Hub> {
  const { cert, key } = authority.issue(['localhost', '127.0.0.1']);
  const at = (file: string): string => join(directory, `${name}.${file}`);
  writeFileSync(at('crt'), cert);
  writeFileSync(at('key'), key);
  return startHub({
    TLS_CERT_FILE: at('crt'),
    TLS_KEY_FILE: at('key'),
    EXTRA_CA_FILE: join(directory, 'ca.pem'),
    OUTBOUND_ALLOW: '127.0.0.1,localhost',
  });
}

/** Has `receiver` listen to `transmitter`, as a client of its authorization server, until the stream is verified. */
async function connect(receiver: Hub, transmitter: Hub, delivery: 'push' | 'poll', name: string) {
  const client = await makeClient(transmitter, {
    client_id: `${name}-by-${delivery}`,
    scopes: ['ssf.read', 'ssf.manage'],
  });
  const added = await receiver.call('POST', '/v1/upstreams', {
    body: {
      name,
      issuer: transmitter.issuer,
      delivery,
      credentials: {
        kind: 'client',
        client_id: client.client_id,
        method: 'client_secret_basic',
        client_secret: client.client_secret,
        scope: 'ssf.read ssf.manage',
      },
      limits: { subject_issuers: [idp] },
    },
  });
  expect(added.status, added.text).toBe(201);
  await vi.waitFor(async () => {
    const { body } = await receiver.call('GET', `/v1/upstreams/${name}`);
    expect(body['health'], JSON.stringify(body['failure'])).toMatchObject({ state: 'verified' });
  }, within);
  const limits = await receiver.call('PUT', `/v1/sources/${name}`, {
    body: { subject_issuers: [idp], kills_per_minute: 10_000 },
  });
  expect(limits.status).toBe(200);
  return client.client_id;
}

const kill = (hub: Hub, sub: string) =>
  hub.call('POST', '/v1/signals', {
    body: { event: 'session-revoked', subject: { format: 'iss_sub', iss: idp, sub } },
  });

/** All signals of a source, by txn. */
async function heardBy(hub: Hub, source: string): Promise<ReadonlyMap<string, Signal>> {
  const heard = new Map<string, Signal>();
  for (let cursor = ''; ; ) {
    const page = await hub.call('GET', `/v1/signals?source=${source}&limit=200${cursor}`);
    const { items, next_cursor: next } = page.body as { items: Signal[]; next_cursor: string | null };
    for (const one of items) heard.set(one.txn, one);
    if (next === null) return heard;
    cursor = `&cursor=${encodeURIComponent(next)}`;
  }
}

describe('one hub listens to another, over https', { timeout: 600_000 }, () => {
  let [one, other]: Hub[] = [];
  const hubs = (): { one: Hub; other: Hub } => {
    if (one === undefined || other === undefined) throw new Error('the hubs did not start');
    return { one, other };
  };
  beforeAll(async () => {
    writeFileSync(join(directory, 'ca.pem'), authority.pem);
    setGlobalDispatcher(new Agent({ connect: { ca: authority.pem } }));
    [one, other] = [await aHub('one'), await aHub('other')];
  });
  afterAll(async () => {
    setGlobalDispatcher(before);
    await Promise.all([one?.stop(), other?.stop()]);
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(['poll', 'push'] as const)(
    'by %s every kill arrives once, with its txn, while the key that signs is replaced at once',
    async (delivery) => {
      const { one: transmitter, other: receiver } = hubs();
      const name = `hub-${delivery}`;
      await connect(receiver, transmitter, delivery, name);
      const txns: string[] = [];
      const killSome = async (count: number) => {
        const killed = await Promise.all(
          Array.from({ length: count }, (_, index) =>
            kill(transmitter, `${delivery}-${txns.length}-${index}`),
          ),
        );
        txns.push(...killed.map(({ body }) => body['txn'] as string));
      };
      await killSome(30);
      const rotated = await transmitter.call('POST', '/v1/keys/rotate', {
        body: { algorithm: 'RS256', compromised: true },
      });
      expect(rotated.status, rotated.text).toBeLessThan(300);
      await killSome(30);
      await vi.waitFor(async () => {
        const heard = await heardBy(receiver, name);
        expect(txns.filter((txn) => !heard.has(txn))).toEqual([]);
      }, within);
      const heard = await heardBy(receiver, name);
      expect(heard.size).toBe(txns.length);
      for (const { decision } of heard.values()) expect(decision.outcome).toBe('applied');
      const checked = await receiver.call('POST', '/v1/check', {
        body: { iss: idp, sub: `${delivery}-0-0`, iat: 1 },
      });
      expect(checked.body, checked.text).toMatchObject({ effect: 'deny' });
      // What came by two ways would count once.
      if (delivery === 'poll') await receiver.call('DELETE', `/v1/upstreams/${name}`);
    },
  );

  it('SEC-30: what came from a peer goes on to others, and is not told back to it, nor does it come round', async () => {
    const { one, other } = hubs();
    const peer = await connect(one, other, 'push', 'back');
    // The one that listens here is the one that is listened to.
    await other.call('PUT', '/v1/sources/hub-push', { body: { subject_issuers: [idp], peer } });
    const { body } = await kill(one, 'round');
    await vi.waitFor(async () => {
      expect([...(await heardBy(other, 'hub-push')).keys()]).toContain(body['txn']);
    }, within);
    const own = await kill(other, 'of-the-other');
    await vi.waitFor(async () => {
      expect([...(await heardBy(one, 'back')).keys()]).toContain(own.body['txn']);
    }, within);
    expect([...(await heardBy(one, 'back')).keys()]).not.toContain(body['txn']);
    // The way from one to the other is by another source: its own kill came round there, and ended.
    await vi.waitFor(async () => {
      const heard = await heardBy(other, 'hub-push');
      expect(heard.get(own.body['txn'] as string)?.decision.outcome).toBe('recorded');
    }, within);
  });
});
