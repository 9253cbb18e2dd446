import { describe, expect, it } from 'vitest';
import { setId, type StreamId } from '../../src/core/vocabulary.ts';
import { streamUpdatedEventType } from '../../src/core/set-claims.ts';
import type { Claim } from '../../src/transmitter/delivery-ports.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deliveriesOf, endpointOf, idsOf, lease, now, of, signedAs } from '../support/deliveries.ts';

const retryOf = (claim: Claim | undefined) => ({
  id: claim?.id ?? setId(''),
  fence: claim?.fence ?? 0,
  state: 'retry' as const,
  answer: { status: 503 },
});

forEachDatabase('deliveries that are pushed', (fixture) => {
  const { store, aStream, aSet, put, claim, delivered, stateOf } = deliveriesOf(fixture);

  describe('claiming for push', () => {
    it('DESIGN §11: of one principal one at a time, in order; of several at once, denials first', async () => {
      const stream = await aStream();
      const sets = [
        aSet(stream, { id: `a1-${stream}`, principal: 'a' }),
        aSet(stream, { id: `a2-${stream}`, principal: 'a' }),
        aSet(stream, { id: `b1-${stream}`, principal: 'b' }),
        aSet(stream, { id: `c1-${stream}`, principal: 'c', denies: true }),
      ];
      await put(...sets);
      const first = of(stream, await claim());
      expect(new Set(first.map(({ id }) => id))).toEqual(
        new Set([`a1-${stream}`, `b1-${stream}`, `c1-${stream}`]),
      );
      expect(idsOf(stream, await claim())).toEqual([]);
      await delivered(first);
      expect(idsOf(stream, await claim())).toEqual([`a2-${stream}`]);
    });

    it('a denial goes before what others wait for, when there is room for one only', async () => {
      const stream = await aStream();
      await put(
        aSet(stream, { principal: 'a' }),
        aSet(stream, { id: `kill-${stream}`, principal: 'b', denies: true }),
      );
      expect(idsOf(stream, await claim({ roomMax: 1 }))).toEqual([`kill-${stream}`]);
    });

    it('DESIGN §11: however many of one principal wait for their first, they hold up no other principal', async () => {
      const stream = await aStream();
      const many = Array.from({ length: 600 }, () => aSet(stream, { principal: 'a', denies: true }));
      await put(...many);
      const [first] = of(stream, await claim());
      await store().settle([{ ...retryOf(first), dueAtMs: now + 3_600_000 }], [], now);
      expect(idsOf(stream, await claim())).toEqual([]);
      await put(
        aSet(stream, { id: `news-${stream}`, principal: '0' }),
        aSet(stream, { id: `kill-${stream}`, principal: 'z', denies: true }),
      );
      expect(idsOf(stream, await claim({ roomMax: 1 }))).toEqual([`kill-${stream}`]);
      expect(idsOf(stream, await claim())).toEqual([`news-${stream}`]);
      const hourLater = now + 3_600_000;
      expect(idsOf(stream, await claim({ nowMs: hourLater })).includes(many[0]!.claims.jti)).toBe(true);
    });

    it('a stream gets no more than there is room for, and leaves the others theirs', async () => {
      const [busy, idle] = [await aStream(), await aStream()];
      const many = (stream: StreamId) => ['a', 'b', 'c'].map((principal) => aSet(stream, { principal }));
      await put(...many(busy), ...many(idle));
      const claims = await claim({ room: [[busy, 1]] });
      expect([of(busy, claims).length, of(idle, claims).length]).toEqual([1, 3]);
    });

    it('a stream that fails and fails is tried with one SET, and with no other while that is on its way', async () => {
      const stream = await aStream({ failuresInRow: 5 });
      await put(...['a', 'b', 'c'].map((principal) => aSet(stream, { principal })));
      expect(of(stream, await claim({ room: [[stream, 15]] }))).toEqual([]);
      expect(of(stream, await claim())).toHaveLength(1);
    });

    it('of a stream that fails and fails what was tried least goes first, whoever waits longer', async () => {
      const stream = await aStream({ failuresInRow: 5 });
      await put(aSet(stream, { id: `odd-${stream}`, principal: 'a', denies: true }));
      const tried: string[] = [];
      const tryOne = async (nowMs: number) => {
        const claims = of(stream, await claim({ nowMs }));
        tried.push(...claims.map(({ id }) => id));
        const answer = { status: 403 };
        const retries = claims.map(({ id, fence }) => ({
          ...{ id, fence, answer },
          ...{ state: 'retry' as const, dueAtMs: nowMs },
        }));
        await store().settle(retries, [endpointOf(stream, { failuresInRow: 6 })], nowMs);
      };
      await tryOne(now);
      await put(
        aSet(stream, { id: `other-${stream}`, principal: 'b' }),
        aSet(stream, { id: `kill-${stream}`, principal: 'c', denies: true }),
      );
      for (const nowMs of [now + 1, now + 2, now + 3]) await tryOne(nowMs);
      expect(tried).toEqual(['odd', 'kill', 'other', 'odd'].map((name) => `${name}-${stream}`));
    });

    it('says where to, by what credential and in which algorithm', async () => {
      const stream = await aStream({
        authorizationSealed: Buffer.from('sealed'),
        algorithm: 'ES256',
        failuresInRow: 2,
      });
      await put(aSet(stream));
      expect(of(stream, await claim())).toMatchObject([
        {
          endpointUrl: 'https://receiver.example/events',
          authorization: `${stream} sealed`,
          algorithm: 'ES256',
          failuresInRow: 2,
          attempts: 1,
          fence: 1,
        },
      ]);
    });

    it('a credential that does not open stops its own stream and no other', async () => {
      const [sealed, open] = [await aStream({ authorizationSealed: Buffer.from('broken') }), await aStream()];
      await put(aSet(sealed), aSet(open));
      const claims = await claim();
      expect(of(sealed, claims)).toMatchObject([{ fault: 'it does not open' }]);
      expect(of(open, claims)).toHaveLength(1);
    });

    it('streams take turns: a long queue leaves the others their places', async () => {
      const [busy, idle] = [await aStream(), await aStream()];
      await put(
        ...['a', 'b', 'c', 'd'].map((principal) => aSet(busy, { principal, denies: true })),
        aSet(idle, { principal: 'a' }),
      );
      const claims = await claim({ limit: 1_000 });
      const first = claims.length;
      expect(first).toBeGreaterThanOrEqual(5);
      await put(
        ...['e', 'f', 'g'].map((principal) => aSet(busy, { principal, denies: true })),
        aSet(idle, { principal: 'b' }),
      );
      const next = await claim({ limit: 1, room: [[busy, 12]] });
      expect(idsOf(idle, next)).toHaveLength(1);
    });

    it('SSF §8.1.2.1: what is paused waits, but for what is about the stream itself; disabled streams get nothing', async () => {
      const paused = await aStream({ status: 'paused' });
      const disabled = await aStream({ status: 'disabled' });
      await put(
        aSet(paused),
        aSet(paused, {
          id: `control-${paused}`,
          principal: 'stream',
          control: true,
          eventType: streamUpdatedEventType,
        }),
        aSet(disabled),
      );
      const claims = await claim();
      expect(idsOf(paused, claims)).toEqual([`control-${paused}`]);
      expect(idsOf(disabled, claims)).toEqual([]);
    });

    it('what is polled for, blocked, or not due yet is not claimed', async () => {
      const polled = await aStream({ method: 'poll' });
      const blocked = await aStream({ blockedUntilMs: now + 1 });
      const later = await aStream();
      await put(aSet(polled), aSet(blocked), aSet(later));
      const [first] = of(later, await claim());
      await store().settle(
        [
          {
            id: first?.id ?? setId(''),
            fence: 1,
            state: 'retry',
            answer: { status: 503 },
            dueAtMs: now + 100,
          },
        ],
        [],
        now,
      );
      const claims = await claim();
      expect([polled, blocked, later].map((stream) => of(stream, claims).length)).toEqual([0, 0, 0]);
      const soon = await claim({ nowMs: now + 100 });
      expect([polled, blocked, later].map((stream) => of(stream, soon).length)).toEqual([0, 1, 1]);
    });

    it('two nodes at once share what there is and take nothing twice', async () => {
      const stream = await aStream();
      await put(...Array.from({ length: 12 }, (_, n) => aSet(stream, { principal: `p${n}` })));
      const both = await Promise.all([claim(), claim()]);
      const ids = both.flatMap((claims) => idsOf(stream, claims));
      const rest = idsOf(stream, await claim());
      expect(new Set([...ids, ...rest]).size).toBe(12);
      expect(ids.length + rest.length).toBe(12);
    });
  });

  describe('a claim', () => {
    it('DESIGN §4: of a node that died is taken over after the lease, and its word counts no more', async () => {
      const stream = await aStream();
      await put(aSet(stream));
      const [dead] = of(stream, await claim());
      if (dead === undefined) throw new Error('nothing was claimed');
      expect(of(stream, await claim({ nowMs: lease - 1 }))).toEqual([]);
      const [heir] = of(stream, await claim({ nowMs: lease }));
      expect(heir).toMatchObject({ id: dead.id, fence: 2, attempts: 1 });
      const { id } = dead;
      expect(await store().storeSigned([{ id, fence: 1, signed: signedAs(dead) }], now)).toEqual(new Set());
      await store().settle([{ id, fence: 1, state: 'delivered' }], [], now);
      expect(await stateOf(id)).toMatchObject({ state: 'pending', compact: null });
      expect(await store().storeSigned([{ id, fence: 2, signed: signedAs(dead) }], now)).toEqual(
        new Set([id]),
      );
    });

    it('is held as long as its node says so', async () => {
      const stream = await aStream();
      await put(aSet(stream));
      const claims = of(stream, await claim());
      await store().keepClaims(claims, lease + 60_000);
      expect(of(stream, await claim({ nowMs: lease }))).toEqual([]);
    });

    it('repeats the bytes that left before', async () => {
      const stream = await aStream();
      await put(aSet(stream));
      const [first] = of(stream, await claim());
      if (first === undefined) throw new Error('nothing was claimed');
      await store().storeSigned([{ ...first, signed: signedAs(first) }], now);
      const [again] = of(stream, await claim({ nowMs: lease }));
      expect(again?.signed).toEqual(signedAs(first));
    });

    it('that failed for good is dead, the next of its principal goes on, and the endpoint is remembered', async () => {
      const stream = await aStream();
      await put(aSet(stream, { id: `bad-${stream}` }), aSet(stream, { id: `good-${stream}` }));
      const [bad] = of(stream, await claim());
      const answer = { status: 400, err: 'invalid_request' };
      await store().settle(
        [{ id: bad?.id ?? setId(''), fence: 1, state: 'dead', answer }],
        [endpointOf(stream, { failuresInRow: 3 })],
        now,
      );
      expect(await stateOf(`bad-${stream}`)).toMatchObject({
        state: 'dead',
        last_answer: { ...answer, at_ms: now },
      });
      expect(of(stream, await claim())).toMatchObject([
        { id: `good-${stream}`, failuresInRow: 3, trying: { sinceMs: now - 7, lastAtMs: now } },
      ]);
    });

    it('comes again at its time, or when an endpoint that was gone is back', async () => {
      for (const isBack of [false, true]) {
        const stream = await aStream();
        await put(aSet(stream));
        const retries = of(stream, await claim()).map(({ id, fence }) => ({
          ...{ id, fence, answer: { status: 503 } },
          ...{ state: 'retry' as const, dueAtMs: now + 60_000 },
        }));
        await store().settle(retries, [endpointOf(stream, { isBack })], now);
        expect(of(stream, await claim())).toHaveLength(isBack ? 1 : 0);
      }
    });
  });
});
