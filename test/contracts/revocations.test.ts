import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { createHeldStore } from '../../src/adapters/postgres/held-store.ts';
import { createRevocationReader } from '../../src/adapters/postgres/revocation-reader.ts';
import { createDueStore, createSweeps } from '../../src/adapters/postgres/revocation-sweeps.ts';
import { newId } from '../../src/adapters/system/ids.ts';
import type { Match } from '../../src/core/revocation.ts';
import { createDueWork } from '../../src/pipeline/due-work.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aClient, aPipeline, aSource, aStatement } from '../support/statements.ts';

const silent = { announce: () => undefined };
const stop = new AbortController().signal;

forEachDatabase('revocations', (fixture) => {
  const reader = () => createRevocationReader({ database: fixture.database });

  describe('what is in force', () => {
    it('is listed newest first, page by page, each once', async () => {
      const { handle } = aPipeline(fixture.database);
      const source = aSource({ person: true });
      const iss = `https://${randomUUID()}.example`;
      const put: string[] = [];
      for (let n = 0; n < 7; n++) {
        const handled = await handle(aStatement({ source, subject: { iss, client_id: `c-${n}` } }));
        put.push(handled.revocations[0]!.id);
      }
      const seen: string[] = [];
      let after: { putAtMs: number; id: string } | undefined;
      do {
        const page = await reader().list({ match: { iss } }, { limit: 3, ...(after && { after }) });
        seen.push(...page.map(({ id }) => id));
        const last = page.at(-1);
        after = last && { putAtMs: last.putAtMs, id: last.id };
      } while (after);
      expect(seen).toEqual(put.toReversed());
    });

    it('is found by each of its parts', async () => {
      const { handle } = aPipeline(fixture.database);
      const subject = aClient();
      const handled = await handle(aStatement({ subject }));
      const id = handled.revocations[0]!.id;
      const filters = [
        { match: subject as Match },
        { signalId: handled.signalId },
        { signalId: handled.signalId, state: 'live' as const, effect: 'deny' as const },
      ];
      for (const filter of filters) {
        expect((await reader().list(filter, { limit: 5 })).map((entry) => entry.id)).toEqual([id]);
      }
      expect(await reader().list({ signalId: handled.signalId, state: 'lifted' }, { limit: 5 })).toEqual([]);
      const found = await reader().find(id);
      expect(found).toMatchObject({
        id,
        state: 'live',
        position: handled.revocations[0]?.position,
        match: subject,
      });
      expect(await reader().find('rev_none')).toBeUndefined();
    });
  });

  describe('DESIGN §5: a timed disable', () => {
    const dueWork = (aheadMs: number) => {
      const { handle, clock } = aPipeline(fixture.database);
      clock.aheadMs = aheadMs;
      const held = createHeldStore({ database: fixture.database, announcer: silent });
      const store = createDueStore({ database: fixture.database, held });
      return createDueWork({
        store,
        handle,
        discard: held.discard,
        newId,
        nowMs: () => Date.now() + aheadMs,
      });
    };

    it('is lifted by the hub at its time, once, and leaves a cut-off behind', async () => {
      const { handle } = aPipeline(fixture.database);
      const subject = aClient();
      const data = { effect: 'deny', lift_after_seconds: 60 };
      const ordered = await handle(aStatement({ event: 'revocation-ordered', subject, data }));
      const id = ordered.revocations[0]!.id;
      await dueWork(50_000).liftDue(stop);
      expect(await reader().find(id)).toMatchObject({ state: 'live' });
      await Promise.all([dueWork(61_000).liftDue(stop), dueWork(61_000).liftDue(stop)]);
      expect(await reader().find(id)).toMatchObject({ state: 'lifted' });
      const left = await reader().list({ match: subject, state: 'live' }, { limit: 5 });
      expect(left).toEqual([expect.objectContaining({ effect: 'deny', cutOff: expect.any(Number) })]);
    });
  });

  describe('DESIGN §6: what has lapsed', () => {
    it('leaves the live set by a drop in the feed; what has not lapsed stays', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = aSource();
      const killed = await handle(aStatement({ source }));
      const disabled = await handle(aStatement({ source, event: 'account-disabled' }));
      const [id, stays] = [killed.revocations[0]!.id, disabled.revocations[0]!.id];
      const sweeps = createSweeps({ database, announcer: silent });
      const lapsesAtMs = (killed.revocations[0]?.lapsesAt ?? 0) * 1_000;
      await sweeps.dropLapsed(lapsesAtMs - 1_000, stop);
      expect(await reader().find(id)).toMatchObject({ state: 'live' });
      await sweeps.dropLapsed(lapsesAtMs + 120_000, stop);
      expect(await reader().find(id)).toMatchObject({ state: 'dropped', endedBy: 'lapse' });
      expect(await reader().find(stays)).toMatchObject({ state: 'live' });
      const log = sql`SELECT op FROM hub.feed_log WHERE revocation_id = ${id} ORDER BY seq`;
      expect((await database.db.execute(log)).rows).toEqual([{ op: 'put' }, { op: 'drop' }]);
    });

    it('goes in chunks, and stops when it is told to', async () => {
      const { database } = fixture;
      await database.db.execute(sql`
        INSERT INTO hub.revocations (id, epoch, seq, committed_at_ms, match, reach, effect, cut_off, lapses_at, reason, merge_key, signal_id, source_id, cause,
            subject_key, put_at_ms)
        SELECT 'rev_old_' || n, '0000', n, 1, '{"iss": "https://old.example"}', 'chain', 'deny', 1, 2, 'old', convert_to(n::text, 'UTF8'), 'sig_old',
            'old', 'old', 'old', 1 FROM generate_series(1, 2300) n`);
      const sweeps = createSweeps({ database, announcer: silent });
      expect(await sweeps.dropLapsed(1_000_000, AbortSignal.abort())).toBe(0);
      expect(await sweeps.dropLapsed(1_000_000, stop)).toBe(2_300);
      expect(await sweeps.dropLapsed(1_000_000, stop)).toBe(0);
    });

    it('the log keeps what a point may need to resume, whatever it is told', async () => {
      const { database } = fixture;
      const sweeps = createSweeps({ database, announcer: silent });
      expect(await sweeps.trimFeedLog(1, stop)).toBe(0);
      await database.db.execute(sql`UPDATE hub.feed_head SET seq = seq + 200000`);
      const kept = sql`SELECT count(*)::int AS n FROM hub.feed_log`;
      expect(await sweeps.trimFeedLog(1, stop)).toBeGreaterThan(2_300);
      expect((await database.db.execute(kept)).rows).toEqual([{ n: 0 }]);
    });
  });

  it('old receipts and reports go, new ones stay', async () => {
    const { database } = fixture;
    await database.db.execute(sql`
      INSERT INTO hub.receipts (point, instance, through_seq, after_seq, received_at_ms) VALUES ('p', 'old', 1, 0, 1), ('p', 'new', 1, 0, 99)`);
    const sweeps = createSweeps({ database, announcer: silent });
    expect(await sweeps.trimReceipts(50, stop)).toBe(1);
    const { rows } = await database.db.execute(sql`SELECT instance FROM hub.receipts WHERE point = 'p'`);
    expect(rows).toEqual([{ instance: 'new' }]);
  });
});
