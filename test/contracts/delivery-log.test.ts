import { expect, it } from 'vitest';
import { createDeliveryLog } from '../../src/adapters/postgres/delivery-log.ts';
import { verificationEventType } from '../../src/core/set-claims.ts';
import { type JsonObject, signalId, type StreamId } from '../../src/core/vocabulary.ts';
import type { DeliveryFilter, Settlement } from '../../src/transmitter/delivery-ports.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deliveriesOf, now, of, signedAs } from '../support/deliveries.ts';

forEachDatabase('the log of deliveries', (fixture) => {
  const { store, aStream, aSet, put, claim } = deliveriesOf(fixture);
  const log = () => createDeliveryLog({ database: fixture.database });
  const namesOf = async (stream: StreamId, filter: DeliveryFilter = {}, limit = 100) => {
    const { items } = await log().list(stream, filter, { limit });
    return items.map(({ id }) => id.slice(0, id.indexOf('-')));
  };
  const about = (stream: StreamId, id: string, subject: JsonObject) => {
    const set = aSet(stream, { id: `${id}-${stream}`, principal: `p-${id}` });
    return { ...set, claims: { ...set.claims, sub_id: subject } };
  };
  /** Delivered ones, made a millisecond after each other. */
  async function fill(stream: StreamId, count: number): Promise<void> {
    for (let from = 0; from < count; from += 1_000) {
      await fixture.database.pool.query(
        `INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, event_type, claims, state, due_at_ms,
            created_at_ms, settled_at_ms)
         SELECT 'n' || n || '-' || $1, $1, 'bulk', false, false, 'x', '{}', 'delivered', $2, $2::bigint + n, $2
           FROM generate_series($3::int, $4::int) n`,
        [stream, now, from, Math.min(from + 1_000, count) - 1],
      );
    }
  }

  it('lists those of one stream, newest first and page by page, and shows one with its claims', async () => {
    const [stream, other] = [await aStream(), await aStream()];
    const sets = ['one', 'two', 'three'].map((name) => aSet(stream, { id: `${name}-${stream}` }));
    await put(...sets, aSet(other));
    const first = await log().list(stream, {}, { limit: 2 });
    expect(first.items.map(({ id }) => id)).toEqual([`three-${stream}`, `two-${stream}`]);
    const second = await log().list(stream, {}, { limit: 2, before: first.next ?? 0 });
    expect([second.items.map(({ id }) => id), second.next]).toEqual([[`one-${stream}`], undefined]);
    const whole = await log().list(stream, {}, { limit: 3 });
    expect([whole.items.length, whole.next]).toEqual([3, undefined]);
    const [two] = sets.slice(1);
    expect(await log().find(stream, `two-${stream}`)).toEqual({
      ...first.items[1],
      claims: two?.claims,
    });
    expect(await log().find(other, `two-${stream}`)).toBeUndefined();
    expect(await log().find(stream, 'none')).toBeUndefined();
  });

  it('says of each how it fared', async () => {
    const stream = await aStream();
    await put(
      ...['waits', 'gone', 'dead'].map((name) => aSet(stream, { id: `${name}-${stream}`, principal: name })),
    );
    const claims = of(stream, await claim());
    await store().storeSigned(
      claims.map((one) => ({ ...one, signed: signedAs(one) })),
      now + 1,
    );
    const answer = { status: 400, err: 'invalid_request', description: 'no' };
    await store().settle(
      claims.flatMap(({ id, fence }): Settlement[] => {
        if (id.startsWith('gone')) return [{ id, fence, state: 'delivered' }];
        return id.startsWith('dead') ? [{ id, fence, state: 'dead', answer }] : [];
      }),
      [],
      now + 2,
    );
    const { items } = await log().list(stream, {}, { limit: 10 });
    const sent = { firstSentAtMs: now + 1, createdAtMs: now };
    const common = { ...sent, subject: { format: 'opaque', id: 'x' } };
    expect(items).toMatchObject([
      { ...common, principal: 'dead', state: 'dead', attempts: 1, settledAtMs: now + 2, answer },
      { ...common, principal: 'gone', state: 'delivered', attempts: 1, settledAtMs: now + 2 },
      { ...common, principal: 'waits', state: 'pending', attempts: 0, dueAtMs: now },
    ]);
    expect(items.filter((item) => 'dueAtMs' in item)).toHaveLength(1);
    expect(await log().find(stream, `gone-${stream}`)).toMatchObject({ kid: 'k1' });
    for (const state of ['dead', 'delivered', 'pending', 'cancelled'] as const) {
      expect((await log().list(stream, { state }, { limit: 10 })).items).toEqual(
        items.filter((item) => item.state === state),
      );
    }
  });

  it('filters by event type, signal, time, and by whom it is about: the principal, or any value of the subject', async () => {
    const stream = await aStream();
    const user = { format: 'email', email: 'jdoe@example.com' };
    await put(
      about(stream, 'simple', user),
      about(stream, 'complex', { format: 'complex', user, device: { format: 'opaque', id: 'd' } }),
      about(stream, 'other', { format: 'email', email: 'other@example.com' }),
      aSet(stream, { id: `verify-${stream}`, principal: 'p', eventType: verificationEventType }),
      aSet(stream, { id: `caused-${stream}`, principal: 'p', signalId: signalId('sig_1') }),
    );
    await fixture.database.pool.query('UPDATE hub.deliveries SET created_at_ms = $2 WHERE jti = $1', [
      `caused-${stream}`,
      now + 1,
    ]);
    expect(await namesOf(stream, { subject: 'jdoe@example.com' })).toEqual(['complex', 'simple']);
    expect(await namesOf(stream, { subject: 'p-other' })).toEqual(['other']);
    expect(await namesOf(stream, { subject: "jdoe@example.com' OR true" })).toEqual([]);
    expect(await namesOf(stream, { eventType: verificationEventType })).toEqual(['verify']);
    expect(await namesOf(stream, { signalId: 'sig_1' })).toEqual(['caused']);
    expect(await namesOf(stream, { sinceMs: now + 1 })).toEqual(['caused']);
    expect(await namesOf(stream, { subject: 'jdoe@example.com', state: 'dead' })).toEqual([]);
  });

  it('DESIGN §4: looks back a thousand at a time, goes on where it stopped, and no further than it must', async () => {
    const stream = await aStream();
    await put(aSet(stream, { id: `first-${stream}`, principal: 'rare' }));
    await fill(stream, 20_500);
    expect(await log().list(stream, { subject: 'rare', sinceMs: now + 20_000 }, { limit: 5 })).toEqual({
      items: [],
    });
    const empty = await log().list(stream, { subject: 'rare' }, { limit: 5 });
    expect(empty).toEqual({ items: [], next: expect.any(Number) });
    const found = await log().list(stream, { subject: 'rare' }, { limit: 5, before: empty.next ?? 0 });
    expect([found.items.map(({ id }) => id), found.next]).toEqual([[`first-${stream}`], undefined]);
    // An index finds what waits, whatever is behind it.
    expect(await namesOf(stream, { state: 'pending' })).toEqual(['first']);
    const page = await log().list(stream, { state: 'delivered' }, { limit: 1_500 });
    expect([page.items.length, page.items.at(-1)?.id, page.next]).toEqual([
      1_500,
      `n19000-${stream}`,
      page.items.at(-1)?.seq,
    ]);
  });
});
