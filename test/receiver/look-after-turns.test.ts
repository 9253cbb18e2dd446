import { describe, expect, it, vi } from 'vitest';
import { verificationDeadlineMs } from '../../src/core/upstream-health.ts';
import { sourceId } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';
import { deferred } from '../support/deferred.ts';
import { lookingAfter } from './a-look-after.ts';

forEachDatabase('looking after upstreams, again and again', (fixture) => {
  const at = lookingAfter(fixture);

  it('SSF 1.0 §8.1.4: what does not come in time is silence, until it comes', async () => {
    const peer = await at.aPeer();
    await at.add(peer);
    await at.look();
    at.nowMs += verificationDeadlineMs;
    expect((await at.find()).dueAtMs).toBe(at.nowMs);
    expect(await at.look()).toBe('done');
    const first = await at.find();
    expect(first.failure).toMatchObject({ step: 'verify', isSilence: true, attempts: 1 });
    expect(first.verification).toMatchObject({ state: at.lastState(), requestedAtMs: at.nowMs });
    expect(await at.state()).toBe('silent');
    at.nowMs += 1_000;
    await at.look();
    expect(await at.state()).toBe('silent');
    at.nowMs += verificationDeadlineMs;
    await at.look();
    expect((await at.find()).failure?.attempts).toBe(2);
    await at.arrive();
    expect(await at.state()).toBe('verified');
    at.nowMs += 600_000 * 3 + 1;
    expect(await at.state()).toBe('silent');
  });

  it('min_verification_interval is kept to, and a stream that is stopped is not asked', async () => {
    const peer = await at.aPeer({ minVerificationSeconds: 7_200 });
    await at.add(peer);
    await at.look();
    await at.arrive();
    await at.lookAfter.now('idp', { actor: 'mara', verify: true });
    at.nowMs += 700_000;
    await at.look();
    expect(at.asked(peer, 'POST', 'verification')).toHaveLength(1);
    at.nowMs += 7_200_000;
    [...peer.streams.values()][0]!.status = 'disabled';
    expect(await at.look()).toBe('done');
    expect(at.asked(peer, 'POST', 'verification')).toHaveLength(1);
    expect(await at.state()).toBe('failing');
  });

  it('without management API it is bound to what a person said, and nothing is asked', async () => {
    const peer = await at.aPeer();
    const unmanaged = { jwksUri: peer.jwksUri, audience: ['hub'], pollUrl: `${peer.issuer}/poll/x` };
    await at.add(peer, { delivery: 'poll', unmanaged });
    expect(await at.look()).toBe('done');
    expect((await at.find()).binding).toEqual({
      ...unmanaged,
      endpoints: {},
      criticalSubjectMembers: [],
      boundAtMs: at.nowMs,
    });
    expect(peer.requests).toEqual([]);
    expect(await at.state()).toBe('unverified');
  });

  describe('one node at a time', () => {
    it('due ones are looked after by wake, each once, whoever wakes', async () => {
      const peer = await at.aPeer({ streamsMax: 10 });
      for (let index = 0; index < 8; index++) await at.add(peer, {}, `many-${index}`);
      await at.store.setPaused(sourceId('many-7'), true, at.change);
      const others = [at.aLookAfter(), at.aLookAfter()];
      for (const one of [at.lookAfter, ...others, at.lookAfter]) one.wake();
      await vi.waitUntil(
        async () => (await at.store.list()).filter(({ binding }) => binding !== undefined).length === 7,
        { timeout: 60_000 },
      );
      for (const one of others) await one.close();
      await vi.waitUntil(
        async () => (await at.store.list()).every(({ dueAtMs, paused }) => paused || dueAtMs > at.nowMs),
        { timeout: 60_000 },
      );
      expect(peer.streams.size).toBe(7);
      expect(at.asked(peer, 'POST')).toHaveLength(7);
      expect(at.asked(peer, 'POST', 'verification')).toHaveLength(7);
    });

    it('what a slow round finds out counts only while it has its turn', async () => {
      const peer = await at.aPeer();
      await at.add(peer);
      const until = deferred();
      peer.misbehave('metadata', { kind: 'slow', until: until.promise }, 1);
      const slow = at.lookAfter.now('idp', { actor: 'hub' });
      await vi.waitUntil(() => peer.requests.length > 0);
      // Its node froze for longer than a turn lasts.
      at.nowMs += 200_000;
      expect(await at.look()).toBe('done');
      const before = await at.find();
      until.resolve();
      await expect(slow).rejects.toMatchObject({ code: 'conflict' });
      expect(await at.find()).toEqual(before);
      expect(peer.streams.size).toBe(1);
    });

    it('what was found to be due meanwhile stays due', async () => {
      const peer = await at.aPeer();
      await at.add(peer);
      const until = deferred();
      peer.misbehave('metadata', { kind: 'slow', until: until.promise }, 1);
      const round = at.lookAfter.now('idp', { actor: 'hub' });
      await vi.waitUntil(() => peer.requests.length > 0);
      await at.store.note(sourceId('idp'), { dueAtMs: at.nowMs + 7 });
      until.resolve();
      await round;
      expect((await at.find()).dueAtMs).toBe(at.nowMs + 7);
    });
  });
});
