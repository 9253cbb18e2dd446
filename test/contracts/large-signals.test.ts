import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { parseKnownAs } from '../../src/core/known-as.ts';
import { entriesMax } from '../../src/pipeline/decide-group.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aPipeline, aSource, aStatement } from '../support/statements.ts';

const person = aSource({ person: true });

/** Registers as many agents of one owner, with an identity each, a thousand to a statement. */
async function ownAgents(database: Database, owner: string, count: number): Promise<void> {
  const known = parseKnownAs({ format: 'email', email: owner }, '');
  for (let start = 1; start <= count; start += 1_000) {
    const numbers = sql`generate_series(${start}::int, ${Math.min(count, start + 999)}::int) AS n`;
    const name = sql`split_part(${owner}, '@', 1) || '-' || n`;
    const match = sql`jsonb_build_object('iss', 'https://idp.example', 'client_id', ${name})`;
    await database.transact(async (tx) => {
      await tx.execute(sql`
        INSERT INTO hub.agents (name, created_at_ms, updated_at_ms) SELECT ${name}, 0, 0 FROM ${numbers}`);
      await tx.execute(sql`
        INSERT INTO hub.agent_owners (agent, identifier, subject)
        SELECT ${name}, ${known.identifier}, ${JSON.stringify(known.subject)}::jsonb FROM ${numbers}`);
      await tx.execute(sql`
        INSERT INTO hub.agent_identities (match_key, agent, match, learnt_at_ms)
        SELECT ${match}::text, ${name}, ${match}, 0 FROM ${numbers}`);
    });
  }
  await database.db.execute(sql`ANALYZE hub.agents, hub.agent_owners, hub.agent_identities`);
}

const endOf = (owner: string) =>
  aStatement({ source: person, event: 'account-disabled', subject: { format: 'email', email: owner } });

forEachDatabase('signals that hit very many', (fixture) => {
  async function head(): Promise<number> {
    const { rows } = await fixture.database.db.execute<{ seq: number }>(
      sql`SELECT seq::int AS seq FROM hub.feed_head`,
    );
    return rows[0]?.seq ?? 0;
  }

  describe('DESIGN §2: all effects of a signal are one transaction', () => {
    it('also when they are five thousand, and when they end', async () => {
      const { handle } = aPipeline(fixture.database);
      await ownAgents(fixture.database, 'lena@example.com', 5_000);
      const before = await head();
      const killed = await handle(endOf('lena@example.com'));
      expect(killed.revocations).toHaveLength(5_000);
      expect(killed.lastSeq).toBe(before + 5_000);
      const positions = killed.revocations.map(({ position = '' }) => Number(position.split('-')[1]));
      expect(positions).toEqual(Array.from({ length: 5_000 }, (_, n) => before + 1 + n));
      const undone = await handle(
        aStatement({ source: person, event: 'revocation-lifted', data: { signal_id: killed.signalId } }),
      );
      expect(undone.lifted).toHaveLength(5_000);
    });

    it('several large ones at once are more than one transaction takes, and all are done', async () => {
      const { handle } = aPipeline(fixture.database);
      const owners = ['ada', 'bea', 'eva'].map((name) => `${name}@example.com`);
      for (const owner of owners) await ownAgents(fixture.database, owner, 4_000);
      const handled = await Promise.all(owners.map((owner) => handle(endOf(owner))));
      expect(handled.map(({ revocations }) => revocations.length)).toEqual([4_000, 4_000, 4_000]);
    });

    it('one beyond the limit is refused, says so, and does nothing', async () => {
      const { handle } = aPipeline(fixture.database);
      await ownAgents(fixture.database, 'olga@example.com', entriesMax + 1);
      const before = await head();
      await expect(handle(endOf('olga@example.com'))).rejects.toMatchObject({
        code: 'too-many-entries',
        message: expect.stringContaining('10000'),
      });
      expect(await head()).toBe(before);
    });
  });
});
