import { describe, expect, it } from 'vitest';
import { createDeliveryLog } from '../../src/adapters/postgres/delivery-log.ts';
import { streamId, type StreamId } from '../../src/core/vocabulary.ts';
import type { Claim } from '../../src/transmitter/delivery-ports.ts';
import { streamUpdatedEventType } from '../../src/core/set-claims.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deliveriesOf, idsOf, now, signedAs } from '../support/deliveries.ts';

forEachDatabase('deliveries', (fixture) => {
  const { store, aStream, aSet, put, claim, stateOf } = deliveriesOf(fixture);

  it('SSF §8.1.2.1: a newer opposite outdates what nobody has begun to send, and nothing else', async () => {
    const stream = await aStream();
    const account = { family: 'account', principal: 'p' };
    await put(aSet(stream, { ...account, id: `sent-${stream}` }));
    await claim();
    await put(
      aSet(stream, { ...account, id: `old-${stream}` }),
      aSet(stream, { principal: 'p', id: `other-${stream}` }),
      aSet(stream, { ...account, principal: 'q', id: `q-${stream}` }),
    );
    await put(aSet(stream, { ...account, id: `new-${stream}` }));
    const states = await Promise.all(
      ['sent', 'old', 'other', 'q', 'new'].map(async (name) => (await stateOf(`${name}-${stream}`)).state),
    );
    expect(states).toEqual(['pending', 'cancelled', 'pending', 'pending', 'pending']);
  });

  it('what one signal says of many names outdates nothing of itself, however many rows it takes', async () => {
    const stream = await aStream();
    const sets = Array.from({ length: 1_100 }, (_, n) =>
      aSet(stream, { id: `n${n}-${stream}`, principal: 'p', family: 'account' }),
    );
    await put(...sets);
    const { rows } = await fixture.database.pool.query(
      'SELECT state, count(*)::int AS n FROM hub.deliveries WHERE stream_id = $1 GROUP BY state',
      [stream],
    );
    expect(rows).toEqual([{ state: 'pending', n: 1_100 }]);
  });

  it('a stream that is gone is sent nothing, and the others get theirs', async () => {
    const stream = await aStream();
    await put(aSet(streamId('str_gone')), aSet(stream, { id: `here-${stream}` }));
    expect(idsOf(stream, await claim())).toEqual([`here-${stream}`]);
  });

  describe('polling', () => {
    const take = (stream: StreamId, limit = 100, nowMs = now) =>
      store().takeForPoll(stream, { nowMs, untilMs: nowMs + 30_000, limit });
    const signAll = (claims: readonly Claim[]) =>
      store().storeSigned(
        claims.map((one) => ({ ...one, signed: signedAs(one) })),
        now,
      );

    it('a kill goes before what others wait for, never before what its own principal waits for', async () => {
      const stream = await aStream({ method: 'poll' });
      await put(
        aSet(stream, { id: `bulk-${stream}`, principal: 'bulk' }),
        aSet(stream, { id: `enable-${stream}`, principal: 'p' }),
        aSet(stream, { id: `disable-${stream}`, principal: 'p', denies: true }),
        aSet(stream, { id: `kill-${stream}`, principal: 'q', denies: true }),
      );
      const handed: string[] = [];
      for (let n = 0; n < 4; n += 1) {
        const { taken } = await take(stream, 1);
        handed.push(...taken.map(({ id }) => id));
        await signAll(taken);
        await store().acknowledge(stream, handed, new Map(), now);
      }
      expect(handed).toEqual(['kill', 'bulk', 'enable', 'disable'].map((name) => `${name}-${stream}`));
    });

    it('however much waits for what was handed out of its principal, a kill of another goes before the rest', async () => {
      const stream = await aStream({ method: 'poll' });
      const many = Array.from({ length: 600 }, () => aSet(stream, { principal: 'p', denies: true }));
      await put(...many, aSet(stream, { id: `bulk-${stream}`, principal: 'q' }));
      expect((await take(stream, 1)).taken.map(({ id }) => id)).toEqual([many[0]!.claims.jti]);
      await put(aSet(stream, { id: `kill-${stream}`, principal: 'z', denies: true }));
      expect((await take(stream, 1)).taken.map(({ id }) => id)).toEqual([`kill-${stream}`]);
    });

    it('nothing follows what was handed out and not acknowledged, if it is of the same principal', async () => {
      const stream = await aStream({ method: 'poll' });
      await put(
        aSet(stream, { id: `first-${stream}`, principal: 'p' }),
        aSet(stream, { id: `second-${stream}`, principal: 'p' }),
        aSet(stream, { id: `other-${stream}`, principal: 'q' }),
      );
      expect((await take(stream, 1)).taken.map(({ id }) => id)).toEqual([`first-${stream}`]);
      expect((await take(stream)).taken.map(({ id }) => id)).toEqual([`other-${stream}`]);
      expect((await take(stream, 2, now + 30_000)).taken.map(({ id }) => id)).toEqual([
        `first-${stream}`,
        `second-${stream}`,
      ]);
    });

    it('RFC 8936 §2.3: hands out in order, up to the limit, says whether there is more, and again what was not acknowledged', async () => {
      const stream = await aStream({ method: 'poll' });
      await put(...['1', '2', '3'].map((n) => aSet(stream, { id: `${n}-${stream}`, principal: n })));
      const first = await take(stream, 2);
      expect([first.taken.map(({ id }) => id), first.more]).toEqual([[`1-${stream}`, `2-${stream}`], true]);
      const second = await take(stream);
      expect([second.taken.map(({ id }) => id), second.more]).toEqual([[`3-${stream}`], false]);
      expect((await take(stream)).taken).toEqual([]);
      await signAll([...first.taken, ...second.taken]);
      await store().acknowledge(stream, [`2-${stream}`], new Map(), now);
      const again = await take(stream, 100, now + 30_000);
      expect(again.taken.map(({ id, signed }) => [id, signed?.kid])).toEqual([
        [`1-${stream}`, 'k1'],
        [`3-${stream}`, 'k1'],
      ]);
    });

    it('RFC 8936 §2.4: an error ends a SET as dead, also when it is acknowledged besides; ids of others change nothing', async () => {
      const [stream, other] = [await aStream({ method: 'poll' }), await aStream({ method: 'poll' })];
      const ids = ['ok', 'bad', 'both'].map((name) => `${name}-${stream}`);
      await put(...ids.map((id) => aSet(stream, { id })), aSet(other, { id: `theirs-${stream}` }));
      await signAll([...(await take(stream)).taken, ...(await take(other)).taken]);
      const answer = { err: 'invalid_key', description: 'unknown kid' };
      const errors = new Map(['bad', 'both'].map((name) => [`${name}-${stream}`, answer]));
      await store().acknowledge(
        stream,
        [`ok-${stream}`, `both-${stream}`, `theirs-${stream}`, 'none'],
        errors,
        now,
      );
      const states = await Promise.all(
        [...ids, `theirs-${stream}`].map(async (id) => (await stateOf(id)).state),
      );
      expect(states).toEqual(['delivered', 'dead', 'dead', 'pending']);
      const log = createDeliveryLog({ database: fixture.database });
      const { items } = await log.list(stream, { state: 'dead' }, { limit: 10 });
      expect(items).toMatchObject([{ answer }, { answer }]);
    });

    it('what nobody can check because its key was replaced at once is given again; by a key that is served it is not', async () => {
      const [stream, other] = [await aStream({ method: 'poll' }), await aStream({ method: 'poll' })];
      const ids = [`a-${stream}`, `b-${stream}`];
      await put(...ids.map((id) => aSet(stream, { id })), aSet(other, { id: `theirs-${stream}` }));
      await signAll([...(await take(stream)).taken, ...(await take(other)).taken]);
      const asked = [`a-${stream}`, `theirs-${stream}`, 'none'];
      expect(await store().giveAgain(stream, asked, () => true)).toEqual(new Set());
      expect((await take(stream)).taken).toEqual([]);
      expect(await store().giveAgain(stream, asked, (kid) => kid !== 'k1')).toEqual(new Set([`a-${stream}`]));
      expect((await take(stream)).taken.map(({ id }) => id)).toEqual([`a-${stream}`]);
    });

    it('SSF §8.1.5: of a stream that was paused or disabled the last word is still there to fetch', async () => {
      for (const status of ['paused', 'disabled'] as const) {
        const stream = await aStream({ method: 'poll' });
        await put(
          aSet(stream),
          aSet(stream, {
            id: `updated-${stream}`,
            principal: 's',
            control: true,
            eventType: streamUpdatedEventType,
          }),
        );
        await fixture.database.pool.query('UPDATE hub.streams SET status = $2 WHERE id = $1', [
          stream,
          status,
        ]);
        expect((await take(stream)).taken.map(({ id }) => id)).toEqual([`updated-${stream}`]);
      }
    });
  });
});
