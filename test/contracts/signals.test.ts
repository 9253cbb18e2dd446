import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { subjectKey } from '../../src/core/vocabulary.ts';
import type { HandledSignal } from '../../src/core/handled-signal.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aClient, aPipeline, aSource, aStatement } from '../support/statements.ts';

const seqOf = (handled: HandledSignal): number[] =>
  handled.revocations.map(({ position = '' }) => Number(position.split('-')[1]));

async function rowsOf(database: Database, query: ReturnType<typeof sql>) {
  return (await database.db.execute(query)).rows;
}

async function headSeq(database: Database): Promise<number> {
  return Number((await rowsOf(database, sql`SELECT seq FROM hub.feed_head`))[0]?.['seq']);
}

forEachDatabase('signals', (fixture) => {
  describe('DESIGN §14: all effects of a signal are one transaction', () => {
    it('the signal, its entries, their places in the feed and the audit', async () => {
      const { database } = fixture;
      const { handle, announced } = aPipeline(database);
      const subject = aClient();
      const handled = await handle(aStatement({ event: 'session-revoked', subject, externalId: 'a-1' }));
      expect(handled).toMatchObject({ outcome: 'applied', duplicate: false, rule: 'session-revoked' });
      const [entry] = handled.revocations;
      expect(handled.revocations).toEqual([
        expect.objectContaining({
          match: subject,
          effect: 'deny',
          merged: false,
          committedAtMs: expect.any(Number),
        }),
      ]);
      const logged = await rowsOf(
        database,
        sql`SELECT l.body::jsonb AS body, l.seq::int AS seq, h.seq::int AS head, r.seq::int AS own
              FROM hub.feed_log l JOIN hub.revocations r ON r.id = l.revocation_id CROSS JOIN hub.feed_head h
             WHERE l.revocation_id = ${entry?.id}`,
      );
      const body = {
        v: 1,
        op: 'put',
        id: entry?.id,
        match: subject,
        effect: 'deny',
        signal_id: handled.signalId,
      };
      const seq = handled.lastSeq;
      expect(logged).toEqual([{ seq, head: seq, own: seq, body: expect.objectContaining(body) }]);
      expect(announced).toEqual(['feed']);
      const audit = sql`SELECT action, target FROM hub.audit_log WHERE txn = ${handled.txn} ORDER BY id`;
      expect(await rowsOf(database, audit)).toEqual([
        { action: 'signal.accepted', target: handled.signalId },
        { action: 'revocation.put', target: entry?.id },
      ]);
    });

    it('a dry run decides the same and leaves nothing behind', async () => {
      const { database } = fixture;
      const { handle, announced } = aPipeline(database);
      const statement = aStatement({ externalId: 'dry' });
      const before = await headSeq(database);
      const rehearsed = await handle(statement, { dryRun: true });
      expect(rehearsed).toMatchObject({ outcome: 'applied', signalId: 'dry-run', duplicate: false });
      expect(rehearsed.revocations[0]).not.toHaveProperty('position');
      const count = sql`SELECT count(*)::int AS n FROM hub.signals WHERE source_id = ${statement.source.id}`;
      expect(await rowsOf(database, count)).toEqual([{ n: 0 }]);
      expect(await headSeq(database)).toBe(before);
      expect(announced).toEqual([]);
      const handled = await handle(statement);
      expect(handled.blast).toEqual(rehearsed.blast);
      expect(handled.revocations.map(({ match }) => match)).toEqual(
        rehearsed.revocations.map(({ match }) => match),
      );
    });
  });

  describe('DESIGN §9: an id names one body of its source', () => {
    it('the same again is the same signal; another body is refused', async () => {
      const { handle, announced } = aPipeline(fixture.database);
      const first = aStatement({ externalId: 'same' });
      const handled = await handle(first);
      announced.length = 0;
      expect(await handle(first)).toEqual({ ...handled, duplicate: true });
      const other = handle({ ...first, bodySha256: new Uint8Array(32) });
      await expect(other).rejects.toMatchObject({
        code: 'id-reused',
        extra: { signal_id: handled.signalId },
      });
      expect(announced).toEqual([]);
      const elsewhere = await handle({ ...first, source: aSource() });
      expect(elsewhere.signalId).not.toBe(handled.signalId);
    });

    it('sent to two nodes twenty times at once it is one signal', async () => {
      const nodes = [aPipeline(fixture.database), aPipeline(fixture.database)];
      const statement = aStatement({ externalId: 'burst' });
      const all = await Promise.all(Array.from({ length: 20 }, (_, n) => nodes[n % 2]!.handle(statement)));
      expect(new Set(all.map(({ signalId }) => signalId)).size).toBe(1);
      expect(all.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    });
  });

  describe('DESIGN §5: signals share a transaction', () => {
    it('and one announcement, which comes before anybody is answered', async () => {
      const { handle, announced } = aPipeline(fixture.database);
      const all = Array.from({ length: 5 }, async () => {
        const { lastSeq } = await handle(aStatement());
        return { lastSeq, announced: [...announced] };
      });
      const answers = await Promise.all(all);
      expect(new Set(answers.map(({ lastSeq }) => lastSeq)).size).toBe(5);
      for (const answer of answers) expect(answer.announced).toEqual(['feed']);
    });

    it('positions are gapless, and each is given once, also from two nodes at once', async () => {
      const { database } = fixture;
      const nodes = [aPipeline(database), aPipeline(database)];
      const before = await headSeq(database);
      const source = aSource({ person: true });
      const statements = Array.from({ length: 300 }, () => aStatement({ source }));
      const handled = await Promise.all(statements.map((one, n) => nodes[n % 2]!.handle(one)));
      const seqs = handled.flatMap(seqOf).sort((a, b) => a - b);
      expect(seqs).toEqual(Array.from({ length: 300 }, (_, n) => before + 1 + n));
    });

    it('one that cannot be stored fails alone', async () => {
      const { handle } = aPipeline(fixture.database);
      const source = aSource({ person: true });
      const statements = Array.from({ length: 12 }, () => aStatement({ source }));
      const [first] = statements.splice(5, 1);
      if (first === undefined) throw new Error('there are twelve');
      const unindexable = subjectKey(randomBytes(4_000).toString('hex'));
      statements.splice(5, 0, { ...first, query: { ...first.query, key: unindexable } });
      const settled = await Promise.allSettled(statements.map((statement) => handle(statement)));
      const failed = settled.flatMap((one, n) =>
        one.status === 'rejected' ? [{ n, reason: one.reason as unknown }] : [],
      );
      expect(failed).toEqual([{ n: 5, reason: expect.objectContaining({ code: 'unstorable-text' }) }]);
    });

    it.each(['\u0000', '\ud800'])('text with %j is refused before it joins a group', async (text) => {
      const { handle } = aPipeline(fixture.database);
      const statement = aStatement();
      const told = handle({ ...statement, reason: `odd ${text}` });
      await expect(told).rejects.toMatchObject({ code: 'unstorable-text', errors: [{ path: '/reason' }] });
    });

    it('an unknown agent fails alone', async () => {
      const { handle } = aPipeline(fixture.database);
      const [unknown, known] = await Promise.allSettled([
        handle(aStatement({ subject: { agent: 'nobody' } })),
        handle(aStatement()),
      ]);
      expect(unknown).toMatchObject({ status: 'rejected', reason: { code: 'unknown-agent' } });
      expect(known).toMatchObject({ status: 'fulfilled', value: { outcome: 'applied' } });
    });
  });

  describe('DESIGN §9: the brake', () => {
    it('lets exactly as many kills through as it says, however they arrive', async () => {
      const { handle } = aPipeline(fixture.database);
      const source = aSource({ killsPerMinute: 5 });
      const statements = Array.from({ length: 12 }, () => aStatement({ source }));
      const handled = await Promise.all(statements.map((statement) => handle(statement)));
      const outcomes = handled.map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => outcome === 'applied')).toHaveLength(5);
      expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(7);
      const held = sql`SELECT count(*)::int AS n FROM hub.held WHERE source_id = ${source.id} AND state = 'waiting'`;
      expect(await rowsOf(fixture.database, held)).toEqual([{ n: 7 }]);
    });

    it('forgets after a minute', async () => {
      const { handle, clock } = aPipeline(fixture.database);
      const source = aSource({ killsPerMinute: 1 });
      expect((await handle(aStatement({ source }))).outcome).toBe('applied');
      expect((await handle(aStatement({ source }))).outcome).toBe('held');
      clock.aheadMs = 61_000;
      expect((await handle(aStatement({ source }))).outcome).toBe('applied');
    });

    it('lets a kill through that a second source also reports', async () => {
      const { handle } = aPipeline(fixture.database);
      const [one, other] = [aSource({ killsPerMinute: 1 }), aSource({ killsPerMinute: 0 })];
      const subject = aClient();
      await handle(aStatement({ source: one, actor: 'edr', subject }));
      expect((await handle(aStatement({ source: other, subject }))).outcome).toBe('applied');
      const alone = aClient();
      expect((await handle(aStatement({ source: other, subject: alone }))).outcome).toBe('held');
      expect((await handle(aStatement({ source: other, subject: alone }))).outcome).toBe('held');
    });
  });

  describe('SEC-30: what comes round by another Transmitter', () => {
    it('ends where it was said before, whatever was lifted meanwhile; another subject, type or txn does not', async () => {
      const { handle } = aPipeline(fixture.database);
      const [subject, txn] = [aClient(), `txn-${randomBytes(8).toString('hex')}`];
      await handle(aStatement({ subject, txn }));
      const relayed = { subject, txn, relayed: true } as const;
      const back = await handle(aStatement(relayed));
      expect(back).toMatchObject({ outcome: 'recorded', revocations: [] });
      expect(back.text).toMatch(/said before/);
      const others = [
        { ...relayed, subject: aClient() },
        { ...relayed, txn: `${txn}-2` },
        { ...relayed, event: 'token-claims-change', data: { claims: { role: 'none' } } },
        { subject, txn },
      ];
      for (const other of others) {
        expect((await handle(aStatement(other))).outcome).toBe('applied');
      }
    });

    it('counts once more, and is told to nobody, where another Transmitter said it first: none keeps another from counting', async () => {
      const { handle, announced } = aPipeline(fixture.database);
      const said = {
        subject: aClient(),
        txn: `txn-${randomBytes(8).toString('hex')}`,
        relayed: true,
      } as const;
      const weak = aSource({ strongestEffect: 'observe' });
      expect((await handle(aStatement({ ...said, source: weak, actor: 'upstream:weak' }))).outcome).toBe(
        'held',
      );
      announced.length = 0;
      const other = await handle(aStatement({ ...said, actor: 'upstream:other' }));
      expect(other).toMatchObject({ outcome: 'applied', revocations: [{ match: said.subject }] });
      expect(announced).toEqual(['feed']);
    });

    it('and the same from the same source is no round', async () => {
      const { handle } = aPipeline(fixture.database);
      const said = { source: aSource(), subject: aClient(), txn: 'of-one-source', relayed: true } as const;
      await handle(aStatement(said));
      expect((await handle(aStatement(said))).outcome).toBe('applied');
    });
  });

  it('a kill whose deciding throws commits as undecided, with the default reaction', async () => {
    const { handle, undecided, breakNextDecision } = aPipeline(fixture.database);
    breakNextDecision();
    const subject = aClient();
    const handled = await handle(aStatement({ subject }));
    expect(undecided).toHaveLength(1);
    expect(handled).toMatchObject({
      outcome: 'undecided',
      revocations: [{ match: subject, effect: 'deny' }],
    });
    expect(handled.warnings.map(({ code }) => code)).toContain('undecided');
  });
});
