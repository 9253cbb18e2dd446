import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startHub, type Hub } from '../support/a-hub.ts';
import { deferred } from '../support/deferred.ts';
import { aDownstreamReceiver, type DownstreamReceiver } from '../support/downstream-receiver.ts';

const receiverCount = 100;
/** Only the sick hear of these, for they kill nobody, and they are more than a node has on its way at a time. */
const backlogCount = 300;
const madeKey = { credential_type: 'x509', change_type: 'create' };
const postedAtOnce = 50;
const victims = Array.from({ length: 10 }, (_, number) => `victim-${number}`);
/** Told of each victim, in this order. */
const story = ['account-disabled', 'session-revoked'] as const;
/** Every fifth of the healthy ones thinks about its first push until the others have heard everything. */
const thinksEvery = 5;
const iss = 'https://idp.example';
const within = { timeout: 100_000, interval: 100 };

type Peer = DownstreamReceiver & { readonly streamId: string; readonly aud: string; readonly token: string };

describe('DESIGN §11: of a hundred Receivers one never answers and one always fails', () => {
  let hub: Hub;
  let hanging: Peer;
  let failing: Peer;
  const healthy: Peer[] = [];
  const thinking = new Set<Peer>();
  const thought = deferred();
  /** Who heard something while the one that never answers was waited for. */
  const heardMeanwhile = new Set<number>();

  beforeAll(async () => {
    hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1' });
    await hub.call('PUT', '/v1/issuers', { body: { url: iss, profile: 'rfc9068' } });
    hanging = await aPeer('hanging', [...story, 'credential-change']);
    failing = await aPeer('failing', [...story, 'credential-change']);
    hanging.behave({ kind: 'dead' });
    failing.behave({ kind: 'answers', status: 500 });
    for (let number = 2; number < receiverCount; number += 1) {
      const onPush = () => {
        if (hanging.held() > 0) heardMeanwhile.add(number);
      };
      const peer = await aPeer(`healthy-${number}`, story, onPush);
      if (number % thinksEvery === 0) {
        peer.behave({ kind: 'well-behaved' }, [{ kind: 'slow', until: thought.promise }]);
        thinking.add(peer);
      }
      healthy.push(peer);
    }
  });
  afterAll(async () => {
    await hub.stop();
    await Promise.all([hanging, failing, ...healthy].map((peer) => peer.close()));
  });

  /** Every other one asks for ES256. */
  const aPeer = async (receiver: string, events: readonly string[], onPush = () => {}): Promise<Peer> => {
    const peer = await aDownstreamReceiver({ onPush });
    const made = await hub.call('POST', '/v1/streams', {
      body: {
        receiver,
        events_requested: events,
        algorithm: healthy.length % 2 === 0 ? 'RS256' : 'ES256',
        delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: peer.url },
      },
    });
    expect(made.status, made.text).toBe(201);
    const { id: streamId, aud } = made.body as { readonly id: string; readonly aud: string };
    const { body } = await hub.call('POST', '/v1/tokens', {
      body: { actor: receiver, scopes: ['ssf.manage'] },
    });
    return Object.assign(peer, { streamId, aud, token: String(body['token']) });
  };

  /** Again while the database is too busy to answer; the same id is the same signal. */
  const post = (event: string, client: string, data = {}) =>
    vi.waitFor(async () => {
      const answer = await hub.call('POST', '/v1/signals', {
        body: { id: `${event} ${client}`, event, subject: { iss, client_id: client }, data },
      });
      expect(answer.status, answer.text).toBe(202);
    }, within);

  it('the other ninety-eight hear everything, of each principal in order, while both are waited for and lose nothing', async () => {
    await setStatus('paused');
    const backlog = Array.from({ length: backlogCount }, (_, number) => `earlier-${number}`);
    for (let from = 0; from < backlogCount; from += postedAtOnce) {
      const some = backlog.slice(from, from + postedAtOnce);
      await Promise.all(some.map((client) => post('credential-change', client, madeKey)));
    }
    await setStatus('enabled');
    await vi.waitFor(() => expect(hanging.held()).toBeGreaterThan(0), within);
    for (const event of story) await Promise.all(victims.map((client) => post(event, client)));

    await toldAll(healthy.filter((peer) => !thinking.has(peer)));
    thought.resolve();
    await toldAll(healthy);
    expect(heardMeanwhile.size).toBe(healthy.length);

    const keys = createLocalJWKSet(
      (await hub.call('GET', '/jwks.json', { token: null })).body as unknown as JSONWebKeySet,
    );
    for (const peer of healthy) await expectWholeStory(peer, keys);
    await expectNothingLost();
  });

  /** Of the sick, by themselves: then they are not told so. */
  async function setStatus(status: 'paused' | 'enabled'): Promise<void> {
    for (const { streamId: stream_id, token } of [hanging, failing]) {
      const answer = await hub.call('POST', '/ssf/status', { token, body: { stream_id, status } });
      expect(answer.status, answer.text).toBe(200);
    }
  }

  const toldAll = (peers: readonly Peer[]) =>
    vi.waitFor(() => {
      const missing = peers.map((peer) => victims.length * story.length - new Set(peer.taken()).size);
      expect(missing).toEqual(peers.map(() => 0));
    }, within);

  /** All streams go on, and what the sick did not take is all there is left to do. */
  async function expectNothingLost(): Promise<void> {
    const listed = await hub.call('GET', '/v1/streams?limit=200');
    const streams = listed.body['items'] as readonly { readonly status: string }[];
    expect(streams.map(({ status }) => status)).toEqual(Array(receiverCount).fill('enabled'));
    const waiting = backlogCount + victims.length * story.length;
    await vi.waitFor(async () => {
      expect(await deliveryCounts()).toEqual({
        [`pending of ${hanging.streamId}`]: waiting,
        [`pending of ${failing.streamId}`]: waiting,
      });
    }, within);
    expect(failing.received.length).toBeGreaterThan(0);
  }

  /** As `/metrics` tells them; what is 0 it leaves out. */
  async function deliveryCounts(): Promise<Readonly<Record<string, number>>> {
    const { text } = await hub.call('GET', '/metrics');
    const found = [...text.matchAll(/^caep_hub_deliveries\{stream="(.+)",state="(pending|dead)"\} (\d+)$/gm)];
    return Object.fromEntries(
      found.map(([, stream, state, count]) => [`${state} of ${stream}`, Number(count)]),
    );
  }
});

/** Each SET once and in order, whatever was repeated on the way, signed for this Receiver by a key that is published. */
async function expectWholeStory(
  { received, taken, streamId, aud }: Peer,
  keys: ReturnType<typeof createLocalJWKSet>,
): Promise<void> {
  const sent = new Map<string, { readonly body: string; readonly payload: JWTPayload }>();
  for (const { body } of received) {
    const { payload } = await jwtVerify(body, keys, { audience: aud, typ: 'secevent+jwt' });
    const { jti = '' } = payload;
    expect(sent.get(jti)?.body ?? body, `${streamId} got two of ${jti}`).toBe(body);
    sent.set(jti, { body, payload });
  }
  const told = new Map<string, string[]>();
  for (const jti of new Set(taken())) {
    const [client, event] = whatIsSaid(sent.get(jti)?.payload ?? {});
    told.set(client, [...(told.get(client) ?? []), event]);
  }
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(victims.map((client) => [client, [...story]])));
}

function whatIsSaid(payload: JWTPayload): readonly [client: string, event: string] {
  const { sub_id: subject, events } = payload as {
    readonly sub_id: { readonly application: { readonly sub: string } };
    readonly events: object;
  };
  return [subject.application.sub, Object.keys(events).join().replace(/.*\//, '')];
}
