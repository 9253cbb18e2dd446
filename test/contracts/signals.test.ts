import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { forEachDatabase } from '../support/databases.ts';
import { aClient, aPipeline, aSource, aStatement } from '../support/statements.ts';

forEachDatabase('signals', (fixture) => {
  describe('a signal', () => {
    it('is committed with its entries, their positions, the feed and the audit', async () => {
      const { handle, announced } = aPipeline(fixture.database);
      const subject = aClient();
      const handled = await handle(aStatement({ event: 'session-revoked', subject, externalId: 'a-1' }));
      expect(handled).toMatchObject({ outcome: 'applied', duplicate: false, rule: 'session-revoked' });
      expect(handled.revocations).toHaveLength(1);
      const [entry] = handled.revocations;
      expect(entry).toMatchObject({ match: subject, effect: 'deny', merged: false });
      const { rows } = await fixture.database.db.execute(
        sql`SELECT l.body::jsonb AS body, l.seq::int AS seq, h.seq::int AS head, r.seq::int AS own FROM hub.feed_log l
            JOIN hub.revocations r ON r.id = l.revocation_id CROSS JOIN hub.feed_head h WHERE l.revocation_id = ${entry?.id}`,
      );
      expect(rows).toHaveLength(1);
      expect(rows[0]).toMatchObject({
        seq: handled.lastSeq,
        head: handled.lastSeq,
        own: handled.lastSeq,
        body: { v: 1, op: 'put', id: entry?.id, match: subject, effect: 'deny', signal_id: handled.signalId },
      });
      expect(announced).toEqual(['signals', 'feed']);
      const audit = await fixture.database.db.execute(
        sql`SELECT action, target FROM hub.audit_log WHERE txn = ${handled.txn} ORDER BY id`,
      );
      expect(audit.rows).toEqual([
        { action: 'signal.accepted', target: handled.signalId },
        { action: 'revocation.put', target: entry?.id },
      ]);
    });

    it('of the same source and id is one signal; another body is refused', async () => {
      const { handle, announced } = aPipeline(fixture.database);
      const source = aSource();
      const first = aStatement({ source, externalId: 'same' });
      const handled = await handle(first);
      announced.length = 0;
      expect(await handle(first)).toEqual({ ...handled, duplicate: true });
      await expect(handle({ ...first, bodySha256: new Uint8Array(32) })).rejects.toMatchObject({
        code: 'id-reused',
      });
      expect(announced).toEqual([]);
    });
  });
});
