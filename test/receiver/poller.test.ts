import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Problem } from '../../src/core/problem.ts';
import { sourceDefaults } from '../../src/core/source.ts';
import { sourceId, upstreamId } from '../../src/core/vocabulary.ts';
import { createPoller } from '../../src/receiver/poller.ts';
import type { Upstream, UpstreamProgress } from '../../src/receiver/ports.ts';
import type { AcceptSet, SetAnswer } from '../../src/receiver/set-ports.ts';
import { deferred } from '../support/deferred.ts';
import { type OpenedClient, transmitterClients } from '../support/a-transmitter-client.ts';
import { startUpstream, type Upstream as Double } from '../support/upstream-transmitter.ts';

const within = { timeout: 20_000, interval: 10 };
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
/** For what must not happen: longer than a poll. */
const quietMs = 400;
const taken: SetAnswer = { kind: 'acknowledged', outcome: 'signal' };

let clients: OpenedClient;
beforeAll(() => {
  clients = transmitterClients();
});
afterAll(() => clients.close());

let double: Double;
beforeEach(async () => {
  double = await startUpstream({ longPollMs: 200 });
  double.addStream({ delivery: { method: 'urn:ietf:rfc:8936' } });
});
afterEach(() => double.close());

const emit = () =>
  double
    .emit({ type: sessionRevoked, subject: { format: 'opaque', id: randomUUID() } })
    .then(({ jti }) => jti);

function anUpstream(): Upstream {
  const [stream] = [...double.streams.values()];
  if (stream === undefined) throw new Error('the double has no stream');
  return {
    id: upstreamId('up_1'),
    name: sourceId('idp'),
    source: { ...sourceDefaults, id: sourceId('idp') },
    settings: {
      issuer: double.issuer,
      delivery: 'poll',
      algorithm: 'ES256',
      verifyEverySeconds: 3_600,
      subjectInEvent: false,
      typMayBeMissing: false,
    },
    pushAuthorizationSha256: new Uint8Array(),
    paused: false,
    binding: {
      jwksUri: double.jwksUri,
      audience: ['hub'],
      endpoints: {},
      pollUrl: `${double.issuer}/poll/${stream.id}`,
      criticalSubjectMembers: [],
      boundAtMs: 0,
    },
    verification: {},
    dueAtMs: 0,
    createdAtMs: 0,
  };
}

/** What all nodes share: who polls. */
function aHolding() {
  let held: { readonly holder: string; readonly untilMs: number } | undefined;
  return async (
    _name: string,
    by: { readonly holder: string; readonly untilMs: number; readonly nowMs: number },
  ) => {
    if (held !== undefined && held.holder !== by.holder && held.untilMs >= by.nowMs) return false;
    held = by;
    return true;
  };
}

function aPoller(accept: AcceptSet, holdPoll = aHolding()) {
  const noted: UpstreamProgress[] = [];
  const errors: unknown[] = [];
  let upstreams: readonly Upstream[] = [anUpstream()];
  let tell = (): void => undefined;
  const poller = createPoller({
    directory: {
      all: () => upstreams,
      byId: (id) => upstreams.find((one) => one.id === id),
      onRead: (listener) => {
        tell = listener;
      },
    },
    store: { holdPoll, note: async (_name, progress) => void noted.push(progress) },
    clientOf: async ({ settings }) => clients.open(settings, { kind: 'none' }),
    accept,
    holder: randomUUID(),
    nowMs: Date.now,
    chance: () => 0,
    onError: (_upstream, error) => errors.push(error),
  });
  onTestFinished(() => poller.close());
  return {
    noted,
    errors,
    close: () => poller.close(),
    change: (change: Partial<Upstream>) => {
      upstreams = [{ ...anUpstream(), ...change }];
      tell();
    },
  };
}

describe('RFC 8936: polling an upstream', () => {
  it('acknowledges with the next poll what was taken in, and only then', async () => {
    const gate = deferred<SetAnswer>();
    let isAsked = false;
    aPoller(async () => {
      isAsked = true;
      return gate.promise;
    });
    const jti = await emit();
    await vi.waitUntil(() => isAsked, within);
    expect(double.acked).toEqual([]);
    gate.resolve(taken);
    await vi.waitUntil(() => double.acked.length === 1, within);
    expect(double.acked).toEqual([jti]);
    expect(double.polls.at(-1)).toMatchObject({ returnImmediately: false });
  });

  it('takes all in, many at a time, though more wait than one poll brings', async () => {
    const seen: string[] = [];
    const all = await Promise.all(Array.from({ length: 250 }, emit));
    aPoller(async (_upstream, compact) => {
      seen.push(compact);
      return taken;
    });
    await vi.waitUntil(() => double.acked.length === 250, within);
    expect(new Set(double.acked)).toEqual(new Set(all));
    expect(new Set(seen).size).toBe(250);
    expect(double.polls.every(({ maxEvents = 0 }) => maxEvents > 0 && maxEvents <= 100)).toBe(true);
  });

  it('§2.6: reports what is refused, in English, and nothing else of it', async () => {
    aPoller(async () => ({ kind: 'rejected', err: 'invalid_key', description: 'No such key.' }));
    const jti = await emit();
    await vi.waitUntil(() => double.setErrs.has(jti), within);
    expect(double.setErrs.get(jti)).toEqual({ err: 'invalid_key', description: 'No such key.' });
    expect(double.polls.find(({ setErrs }) => jti in setErrs)?.contentLanguage).toBe('en');
    expect(double.acked).toEqual([]);
  });

  it('POLL-31: a SET under another key than its jti is refused, and handled by nobody', async () => {
    const seen: string[] = [];
    aPoller(async (_upstream, compact) => {
      seen.push(compact);
      return taken;
    });
    const claims = double.claims({ type: sessionRevoked, subject: { format: 'opaque', id: '1' } });
    await double.deliver(await double.sign(claims), undefined, 'another');
    await double.deliver('no SET at all', undefined, 'junk');
    await vi.waitUntil(() => double.setErrs.size === 2, within);
    expect(double.setErrs.get('another')).toMatchObject({ err: 'invalid_request' });
    expect(double.setErrs.get('junk')).toMatchObject({ err: 'invalid_request' });
    expect(seen).toEqual([]);
  });

  it('what storage could not take is neither acknowledged nor refused, and comes again', async () => {
    let isGone = true;
    const { errors } = aPoller(async () => {
      if (isGone) throw new Problem('storage-unavailable', 'gone');
      return taken;
    });
    const jti = await emit();
    await vi.waitUntil(() => errors.length > 0, within);
    expect([...double.acked, ...double.setErrs.keys()]).toEqual([]);
    isGone = false;
    await vi.waitUntil(() => double.acked.includes(jti), within);
  });

  it('a Transmitter that fails is tried again, its failure noted, and forgotten when it is well', async () => {
    double.misbehave('poll', { kind: 'answers', status: 500 });
    const { noted } = aPoller(async () => taken);
    await vi.waitUntil(() => noted.some(({ failure }) => failure?.step === 'poll'), within);
    double.behave();
    const jti = await emit();
    await vi.waitUntil(() => double.acked.includes(jti), within);
    expect(noted.at(-1)).toEqual({ failure: null });
  });

  it('one node polls at a time, and another when it is told to stop', async () => {
    const holdPoll = aHolding();
    const by: string[] = [];
    const first = aPoller(async () => (by.push('first'), taken), holdPoll);
    await vi.waitUntil(() => double.polls.length > 0, within);
    aPoller(async () => (by.push('second'), taken), holdPoll);
    await Promise.all(Array.from({ length: 20 }, emit));
    await vi.waitUntil(() => double.acked.length === 20, within);
    expect(new Set(by)).toEqual(new Set(['first']));
    await first.close();
  });

  it('what is paused is not polled, and is when it is resumed', async () => {
    const poller = aPoller(async () => taken);
    await vi.waitUntil(() => double.polls.length > 0, within);
    poller.change({ paused: true });
    const jti = await emit();
    await delay(quietMs);
    expect(double.acked).toEqual([]);
    poller.change({ paused: false });
    await vi.waitUntil(() => double.acked.includes(jti), within);
  });
});
