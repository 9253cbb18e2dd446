import { expect, it } from 'vitest';
import { readDeliveryGauges } from '../../src/adapters/postgres/delivery-gauges.ts';
import type { StreamId } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deliveriesOf, now } from '../support/deliveries.ts';

forEachDatabase('gauges of deliveries', (fixture) => {
  const { aStream } = deliveriesOf(fixture);

  const fill = (stream: StreamId, state: string, count: number, attempts = 0, firstSentAtMs?: number) =>
    fixture.database.pool.query(
      `INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, event_type, claims, state, attempts,
          due_at_ms, created_at_ms, first_sent_at_ms)
       SELECT gen_random_uuid(), $1, 'p', false, false, 'x', '{}', $2, $3, $4::bigint + n, $4, $5 FROM generate_series(1, $6::int) n`,
      [stream, state, attempts, now, firstSentAtMs, count],
    );
  const read = async (nowMs: number) => {
    const readings = new Map<string, { [state: string]: number }>();
    for (const { labels = {}, value } of await readDeliveryGauges(fixture.database, nowMs)) {
      const { stream = '', state = '' } = labels;
      readings.set(stream, { ...readings.get(stream), [state]: value });
    }
    return readings;
  };

  it('counts what waits and what is dead up to a thousand, says how long it has been due and how often it was tried', async () => {
    const [none, few, many] = [await aStream(), await aStream(), await aStream()];
    await fill(none, 'delivered', 3, 9);
    await fill(few, 'pending', 1, 0);
    await fill(few, 'pending', 1, 4, now - 5_000);
    await fill(few, 'dead', 3, 9);
    await fill(many, 'pending', 1_000);
    await fill(many, 'pending', 100);
    await fill(many, 'dead', 1_000);
    await fill(many, 'dead', 1);
    const readings = await read(now + 10_001);
    expect(readings.has(none)).toBe(false);
    expect(readings.get(few)).toEqual({
      pending: 2,
      dead: 3,
      oldest_pending_seconds: 15.001,
      most_attempts: 4,
    });
    expect(readings.get(many)).toEqual({ pending: 1_000, dead: 1_000, oldest_pending_seconds: 10 });
  });

  it('reads streams page by page, all of them', async () => {
    const streams: StreamId[] = [];
    for (let n = 0; n < 205; n += 1) {
      streams.push(await aStream());
    }
    await fixture.database.pool.query(
      `INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, event_type, claims, due_at_ms, created_at_ms)
       SELECT gen_random_uuid(), id, 'p', false, false, 'x', '{}', $2, $2 FROM unnest($1::text[]) AS id`,
      [streams, now],
    );
    const readings = await read(now);
    expect(streams.filter((stream) => readings.get(stream)?.['pending'] !== 1)).toEqual([]);
  });
});
