import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFindToTake } from '../../src/adapters/postgres/find-to-take.ts';
import { createAnnouncements } from '../../src/adapters/system/announcements.ts';
import { streamUpdatedEventType } from '../../src/core/set-claims.ts';
import type { StreamId } from '../../src/core/vocabulary.ts';
import { createPoll, type Poll, type PollAnswer } from '../../src/transmitter/poll.ts';
import { createPollWaits, type PollWaits } from '../../src/transmitter/poll-waits.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deliveriesOf, now, signedAs } from '../support/deliveries.ts';

const waitingMany = 200;
const patience = { timeout: 60_000 };
const ask = { setsMax: 100, returnImmediately: false, acks: [], errors: new Map() };

forEachDatabase('waiting polls', (fixture) => {
  const { store, aStream, aSet, put } = deliveriesOf(fixture);
  let announcements: ReturnType<typeof createAnnouncements>;
  let waits: PollWaits;
  let poll: Poll;
  let stop: AbortController;
  let errors: unknown[];
  const calls = { takes: [] as StreamId[], taken: 0, looks: 0, breaks: false };

  /** One node on the real stores; what it asks them is counted. */
  beforeEach(() => {
    announcements = createAnnouncements({ onError: () => undefined });
    stop = new AbortController();
    setMaxListeners(0, stop.signal);
    errors = [];
    Object.assign(calls, { takes: [], taken: 0, looks: 0, breaks: false });
    const findToTake = createFindToTake({ database: fixture.database });
    const deliveries = store();
    waits = createPollWaits({
      async findToTake(streams, nowMs) {
        calls.looks += 1;
        if (calls.breaks) throw new Error('the database is away');
        return findToTake(streams, nowMs);
      },
      announcer: announcements,
      nowMs: () => now,
      onError: (error) => errors.push(error),
    });
    poll = createPoll({
      store: {
        ...deliveries,
        async takeForPoll(stream, parts) {
          calls.takes.push(stream);
          return deliveries.takeForPoll(stream, parts).finally(() => (calls.taken += 1));
        },
      },
      sign: async ({ jti }) => signedAs({ id: jti }),
      isServed: () => true,
      waits,
      nowMs: () => now,
      onDead: () => undefined,
    });
  });
  afterEach(() => {
    stop.abort();
    waits.close();
  });

  const wait = (stream: StreamId) => poll(stream, ask, stop.signal);
  const setsOf = (answer: PollAnswer | undefined) => Object.keys(answer?.sets ?? {});
  async function streamsOf(count: number): Promise<StreamId[]> {
    const made: StreamId[] = [];
    for (let n = 0; n < count; n += 1) made.push(await aStream({ method: 'poll' }));
    return made;
  }
  /** One after the other, each when the one before has looked and waits. */
  async function waitAll(streams: readonly StreamId[]): Promise<Promise<PollAnswer>[]> {
    const answers: Promise<PollAnswer>[] = [];
    for (const stream of streams) {
      answers.push(wait(stream));
      await expect
        .poll(() => calls.taken, { ...patience, interval: 1 })
        .toBeGreaterThanOrEqual(answers.length);
    }
    return answers;
  }

  it('DESIGN §14, 4: a SET for one of many costs the node one look, and wakes the one that has it', async () => {
    const streams = await streamsOf(waitingMany);
    const answers = await waitAll(streams);
    const [mine] = streams as [StreamId];
    await put(aSet(mine, { id: `one-${mine}` }));
    const before = { looks: calls.looks };
    for (let n = 0; n < waitingMany; n += 1) announcements.announce(n % 2 === 0 ? 'deliveries' : 'streams');
    expect(setsOf(await answers[0])).toEqual([`one-${mine}`]);
    expect(calls.takes.slice(waitingMany)).toEqual([mine]);
    // The one that was announced, one for all that were announced meanwhile, and those of its own accord.
    expect(calls.looks - before.looks).toBeLessThan(20);
    stop.abort();
    expect((await Promise.all(answers.slice(1))).flatMap(setsOf)).toEqual([]);
  });

  it('what all of them are sent wakes all, and what a wake-up lost is found all the same', async () => {
    const streams = await streamsOf(5);
    const answers = await waitAll(streams);
    await put(...streams.map((stream) => aSet(stream, { id: `all-${stream}` })));
    expect((await Promise.all(answers)).map(setsOf)).toEqual(streams.map((stream) => [`all-${stream}`]));
  });

  it('what is put between the first look and the wait is not waited for', async () => {
    const [stream] = (await streamsOf(1)) as [StreamId];
    const answer = wait(stream);
    expect(calls.takes).toEqual([stream]);
    await put(aSet(stream, { id: `soon-${stream}` }));
    announcements.announce('deliveries');
    expect(setsOf(await answer)).toEqual([`soon-${stream}`]);
  });

  it('a look that fails is told, and the next one finds what it did not', async () => {
    const [stream] = (await streamsOf(1)) as [StreamId];
    calls.breaks = true;
    const [answer] = await waitAll([stream]);
    await put(aSet(stream, { id: `late-${stream}` }));
    announcements.announce('deliveries');
    await expect.poll(() => errors.length, patience).toBeGreaterThan(0);
    calls.breaks = false;
    expect(setsOf(await answer)).toEqual([`late-${stream}`]);
  });

  it('RFC 8936 §2: of one stream one poll waits, a newer one sends it away; so does the end of the node', async () => {
    const [stream] = (await streamsOf(1)) as [StreamId];
    const [older] = await waitAll([stream]);
    const newer = wait(stream);
    expect(setsOf(await older)).toEqual([]);
    waits.close();
    expect(setsOf(await newer)).toEqual([]);
  });

  it('finds what may be taken: not what is handed out, of a stopped stream the news of its status only', async () => {
    const find = createFindToTake({ database: fixture.database });
    const news = { principal: 's', control: true, eventType: streamUpdatedEventType };
    const [none, handedOut, paused, pausedWithNews, behind, has] = (await streamsOf(6)) as [
      StreamId,
      StreamId,
      StreamId,
      StreamId,
      StreamId,
      StreamId,
    ];
    await put(
      ...[handedOut, paused, pausedWithNews, has].map((stream) => aSet(stream)),
      ...Array.from({ length: 101 }, (_, n) => aSet(behind, { principal: `p${n}` })),
      aSet(pausedWithNews, news),
    );
    for (const stream of [handedOut, behind]) {
      await store().takeForPoll(stream, { nowMs: now, untilMs: now + 30_000, limit: 100 });
    }
    await fixture.database.pool.query("UPDATE hub.streams SET status = 'paused' WHERE id = ANY ($1)", [
      [paused, pausedWithNews],
    ]);
    const asked = [none, handedOut, paused, pausedWithNews, behind, 'str_none' as StreamId];
    expect(await find(asked, now)).toEqual(new Set([pausedWithNews, behind]));
    expect(await find(asked, now + 30_000)).toEqual(new Set([handedOut, pausedWithNews, behind]));
    expect(await find([], now)).toEqual(new Set());
    // What waits behind what was handed out of its principal is nothing to wake anybody for, however much it is.
    await put(...Array.from({ length: 120 }, () => aSet(handedOut)));
    expect(await find([handedOut], now)).toEqual(new Set());
    // More than one statement takes.
    const others = Array.from({ length: 1_000 }, (_, n) => `str_${n}` as StreamId);
    expect(await find([...others, has], now)).toEqual(new Set([has]));
  });
});
