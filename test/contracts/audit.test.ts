import { describe, expect, it } from 'vitest';
import {
  createAuditChainStore,
  createAuditStore,
  insertAudit,
} from '../../src/adapters/postgres/audit-store.ts';
import { linkHash, verifyChain } from '../../src/audit/chain.ts';
import type { AuditEntry } from '../../src/pipeline/ports.ts';
import { forEachDatabase } from '../support/databases.ts';

const anEntry = (target: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  atMs: 1_763_764_000_123,
  actor: 'soc',
  action: 'signal.accepted',
  target,
  outcome: 'done',
  ...more,
});

forEachDatabase('audit', (fixture) => {
  const store = () => createAuditStore({ database: fixture.database });
  const chain = () => createAuditChainStore({ database: fixture.database });
  const chainAll = async () => {
    while ((await chain().extend(3, linkHash)) > 0);
  };

  it('rows commit with their cause or not at all', async () => {
    const failing = fixture.database.transact(async (tx) => {
      await insertAudit(tx, [anEntry('sig_never')]);
      throw new Error('the cause fails');
    });
    await expect(failing).rejects.toThrow('the cause fails');
    expect(await store().list({ target: 'sig_never' }, { limit: 10 })).toEqual([]);
  });

  it('text that Postgres cannot hold fails no transaction', async () => {
    const detail = { 'a\u0000': ['\uD800', { deep: 'b\u0000' }], n: 1 };
    await store().insert([anEntry('sig_\u0000', { actor: 'x\uDFFF', detail })]);
    const [row] = await store().list({ target: 'sig_\uFFFD' }, { limit: 1 });
    expect(row).toMatchObject({
      actor: 'x\uFFFD',
      detail: { 'a\uFFFD': ['\uFFFD', { deep: 'b\uFFFD' }], n: 1 },
    });
  });

  it('is listed newest first, filtered, page by page', async () => {
    await store().insert([
      anEntry('sig_1', { txn: 't1' }),
      anEntry('rev_1', { action: 'revocation.put', txn: 't1', detail: { signal_id: 'sig_1' } }),
      anEntry('sig_2', { outcome: 'refused' }),
    ]);
    const targets = async (...[filter, page]: Parameters<ReturnType<typeof store>['list']>) =>
      (await store().list(filter, page)).map(({ target }) => target);
    expect(await targets({ txn: 't1' }, { limit: 10 })).toEqual(['rev_1', 'sig_1']);
    expect(await targets({ signalId: 'sig_1' }, { limit: 10 })).toEqual(['rev_1', 'sig_1']);
    expect(await targets({ txn: 't1', action: 'revocation.put' }, { limit: 10 })).toEqual(['rev_1']);
    expect(await targets({ outcome: 'refused' }, { limit: 10 })).toEqual(['sig_2']);
    const [newest] = await store().list({ txn: 't1' }, { limit: 1 });
    expect(await targets({ txn: 't1' }, { before: newest!.id, limit: 10 })).toEqual(['sig_1']);
  });

  it('a chain over all rows is intact', async () => {
    await chainAll();
    const report = await verifyChain(chain());
    expect(report.broken).toBeUndefined();
    expect(report.rows).toBeGreaterThanOrEqual(4);
    expect((await chain().unchained()).count).toBe(0);
  });

  it('many chainers at once make one chain', async () => {
    await store().insert(Array.from({ length: 60 }, (_, index) => anEntry(`sig_many_${index}`)));
    expect((await chain().unchained()).count).toBe(60);
    const all = Array.from({ length: 8 }, async () => {
      for (let tries = 0; tries < 12; tries++) await chain().extend(7, linkHash);
    });
    await Promise.all(all);
    await chainAll();
    const report = await verifyChain(chain());
    expect(report.broken).toBeUndefined();
    expect(report.rows).toBe(report.head.chainSeq);
    expect((await chain().unchained()).count).toBe(0);
  });

  describe('whoever changes the past is found out', () => {
    const tampered = async (...statements: readonly string[]) => {
      const client = await fixture.database.pool.connect();
      try {
        await client.query('BEGIN');
        for (const statement of statements) await client.query(statement);
        const { rows } = await client.query<{ max: string }>(
          'SELECT max(chain_seq) AS max FROM hub.audit_log',
        );
        await client.query('COMMIT');
        return Number(rows[0]?.max);
      } finally {
        client.release();
      }
    };
    const before = (column: string) => `UPDATE hub.audit_log SET ${column} WHERE chain_seq = 3`;

    it.each([
      ['an actor', "actor = actor || 'x'", 'actor = left(actor, -1)'],
      ['a time', 'at_ms = at_ms + 1', 'at_ms = at_ms - 1'],
      ['an outcome', "outcome = 'refused'", "outcome = 'done'"],
      ['a detail', `detail = detail || '{"forged": 1}'`, "detail = detail - 'forged'"],
      ['a hash', 'hash = sha256(hash)', undefined],
    ])('%s', async (_what, change, undo) => {
      const original = await chain().read(2, 1);
      await tampered(before(change));
      expect((await verifyChain(chain())).broken).toEqual({
        chainSeq: 3,
        id: original[0]?.id,
        why: 'changed',
      });
      const hash = Buffer.from(original[0]!.hash).toString('hex');
      await tampered(before(undo ?? `hash = decode('${hash}', 'hex')`));
      expect((await verifyChain(chain())).broken).toBeUndefined();
    });

    it('a row that is gone, at the end too', async () => {
      const last = await tampered(
        'UPDATE hub.audit_log SET chain_seq = 1000000 WHERE chain_seq = (SELECT max(chain_seq) FROM hub.audit_log)',
      );
      expect(last).toBe(1_000_000);
      const { chainSeq } = await chain().head();
      expect((await verifyChain(chain())).broken).toEqual({ chainSeq, why: 'missing' });
      await tampered(`UPDATE hub.audit_log SET chain_seq = ${chainSeq} WHERE chain_seq = 1000000`);
      await tampered('UPDATE hub.audit_log SET chain_seq = -5 WHERE chain_seq = 5');
      expect((await verifyChain(chain())).broken).toEqual({ chainSeq: 5, why: 'missing' });
    });
  });
});
