import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { createAgentStore } from '../../src/adapters/postgres/agent-store.ts';
import { createHeldStore } from '../../src/adapters/postgres/held-store.ts';
import { createDueStore } from '../../src/adapters/postgres/revocation-sweeps.ts';
import { createSourceStore } from '../../src/adapters/postgres/source-store.ts';
import { newId } from '../../src/adapters/system/ids.ts';
import { createDueWork } from '../../src/pipeline/due-work.ts';
import type { Source } from '../../src/core/source.ts';
import { agentName } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aClient, aPipeline, aSource, aStatement } from '../support/statements.ts';

const silent = { announce: () => undefined };
const by = (actor: string) => ({ actor, atMs: Date.now() });

/** A source that is stored, and whose every kill is held. */
async function aBrakedSource(database: Database, parts: Partial<Omit<Source, 'id'>> = {}): Promise<Source> {
  const source = aSource({ killsPerMinute: 0, softEffect: 'restrict', ...parts });
  await createSourceStore({ database, announcer: silent }).put(source, by('admin'));
  return source;
}

async function liveEffects(database: Database, subject: object): Promise<unknown[]> {
  const { rows } = await database.db.execute(sql`
    SELECT effect FROM hub.revocations WHERE state = 'live' AND match = ${JSON.stringify(subject)}::jsonb`);
  return rows.map((row) => row['effect']);
}

forEachDatabase('held', (fixture) => {
  const held = () => createHeldStore({ database: fixture.database, announcer: silent });

  describe('DESIGN §9: a held signal', () => {
    it('has its soft effect at once, waits where it is seen, and takes full effect when released', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = await aBrakedSource(database);
      const subject = aClient();
      const waiting = await handle(aStatement({ source, subject, actor: 'splunk' }));
      expect(waiting).toMatchObject({ outcome: 'held', revocations: [{ effect: 'restrict' }] });
      expect(await liveEffects(database, subject)).toEqual(['restrict']);
      const shown = await held().find(waiting.signalId);
      expect(shown).toMatchObject({
        code: 'brake',
        state: 'waiting',
        signal: { answer: { blast: { keys: 1 } } },
      });

      const approved = await held().approve(waiting.signalId, by('mara'));
      if (!approved?.enough) throw new Error('one approval is enough');
      const signal = { signalId: waiting.signalId, by: 'mara' };
      const released = await handle(approved.statement, { released: signal });
      expect(released).toMatchObject({
        signalId: waiting.signalId,
        outcome: 'applied',
        revocations: [{ effect: 'deny' }],
      });
      expect(await liveEffects(database, subject)).toEqual(['deny']);
      expect(await held().find(waiting.signalId)).toMatchObject({ state: 'released', decidedBy: 'mara' });
      await expect(held().approve(waiting.signalId, by('ivo'))).rejects.toMatchObject({
        code: 'already-decided',
      });
      const again = handle(approved.statement, { released: signal });
      await expect(again).rejects.toMatchObject({ code: 'already-decided' });
    });

    it('is not approved by who made it, and the same person counts once', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = await aBrakedSource(database);
      const waiting = await handle(aStatement({ source, actor: 'mara' }));
      await database.db.execute(
        sql`UPDATE hub.held SET approvals_required = 2 WHERE signal_id = ${waiting.signalId}`,
      );
      await expect(held().approve(waiting.signalId, by('mara'))).rejects.toMatchObject({
        code: 'approval-by-requester',
      });
      expect(await held().approve(waiting.signalId, by('ivo'))).toEqual({ enough: false });
      expect(await held().approve(waiting.signalId, by('ivo'))).toEqual({ enough: false });
      expect(await held().approve(waiting.signalId, by('tess'))).toMatchObject({ enough: true });
    });

    it('waits on for the second person when what it hits became protected meanwhile', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = await aBrakedSource(database);
      const subject = aClient();
      const waiting = await handle(aStatement({ source, subject }));
      const agents = createAgentStore({ database, announcer: silent });
      const guarded = { ownerIdentifiers: [], links: [], parents: [], protected: true };
      await agents.create(
        { ...guarded, name: agentName(`guarded-${waiting.signalId}`), identities: [subject] },
        by('registrar'),
      );
      const release = async (actor: string) => {
        const approved = await held().approve(waiting.signalId, by(actor));
        if (!approved?.enough) throw new Error('enough have approved');
        return handle(approved.statement, { released: { signalId: waiting.signalId, by: actor } });
      };
      expect(await release('mara')).toMatchObject({ signalId: waiting.signalId, outcome: 'held' });
      expect(await liveEffects(database, subject)).toEqual([]);
      expect(await held().find(waiting.signalId)).toMatchObject({
        state: 'waiting',
        code: 'protected-agent',
        approvalsRequired: 2,
        approvals: [{ actor: 'mara' }],
        atDeadline: 'discard',
      });
      expect(await release('ivo')).toMatchObject({ outcome: 'applied' });
      expect(await liveEffects(database, subject)).toEqual(['deny']);
    });

    it('is not let pass by its own maker through another source, nor by what was discarded', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const subject = aClient();
      const say = async (actor: string) =>
        handle(aStatement({ source: await aBrakedSource(database), subject, actor }));
      const first = await say('eve');
      expect(await say('eve')).toMatchObject({ outcome: 'held' });
      expect(await say('mara')).toMatchObject({ outcome: 'applied' });
      const discarded = aClient();
      const one = await handle(
        aStatement({ source: await aBrakedSource(database), subject: discarded, actor: 'eve' }),
      );
      await held().discard(one.signalId, by('ivo'));
      const other = aStatement({ source: await aBrakedSource(database), subject: discarded, actor: 'mara' });
      expect(await handle(other)).toMatchObject({ outcome: 'held' });
      expect(first.outcome).toBe('held');
    });

    it('leaves nothing behind when it is discarded', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = await aBrakedSource(database);
      const subject = aClient();
      const waiting = await handle(aStatement({ source, subject }));
      await held().discard(waiting.signalId, by('mara'));
      expect(await liveEffects(database, subject)).toEqual([]);
      expect(await held().find(waiting.signalId)).toMatchObject({
        state: 'discarded',
        signal: { answer: { outcome: 'discarded' } },
      });
      const told = sql`SELECT op FROM hub.feed_log WHERE revocation_id = ${waiting.revocations[0]?.id} ORDER BY seq`;
      expect((await database.db.execute(told)).rows).toEqual([{ op: 'put' }, { op: 'lift' }]);
      await expect(held().discard(waiting.signalId, by('ivo'))).rejects.toMatchObject({
        code: 'already-decided',
      });
    });

    it('released and discarded at once, it is one of the two', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = await aBrakedSource(database);
      const subject = aClient();
      const waiting = await handle(aStatement({ source, subject }));
      const approved = await held().approve(waiting.signalId, by('mara'));
      if (!approved?.enough) throw new Error('one approval is enough');
      const both = await Promise.allSettled([
        handle(approved.statement, { released: { signalId: waiting.signalId, by: 'mara' } }),
        held().discard(waiting.signalId, by('ivo')),
      ]);
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const state = (await held().find(waiting.signalId))?.state;
      expect(await liveEffects(database, subject)).toEqual(state === 'released' ? ['deny'] : []);
    });
  });

  describe('DESIGN §9: a deadline', () => {
    const dueWork = (aheadMs: number) => {
      const { handle, clock } = aPipeline(fixture.database);
      clock.aheadMs = aheadMs;
      const store = createDueStore({ database: fixture.database, held: held() });
      const discard = held().discard;
      return createDueWork({ store, handle, discard, newId, nowMs: () => Date.now() + aheadMs });
    };
    const stop = new AbortController().signal;

    it('does what the source wants then, once, and not before', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const found: Record<string, string> = {};
      for (const heldDefault of ['release', 'discard'] as const) {
        const source = await aBrakedSource(database, { heldDefault, heldSeconds: 100 });
        found[heldDefault] = (await handle(aStatement({ source }))).signalId;
      }
      await dueWork(90_000).decideHeldDue(stop);
      expect((await held().find(found['release']!))?.state).toBe('waiting');
      await Promise.all([dueWork(101_000).decideHeldDue(stop), dueWork(101_000).decideHeldDue(stop)]);
      expect(await held().find(found['release']!)).toMatchObject({ state: 'released', decidedBy: 'hub' });
      expect(await held().find(found['discard']!)).toMatchObject({ state: 'discarded', decidedBy: 'hub' });
    });

    it('never lets through what two persons must approve', async () => {
      const { database } = fixture;
      const { handle } = aPipeline(database);
      const source = await aBrakedSource(database, { heldDefault: 'release', killsPerMinute: 10 });
      const killed = await handle(aStatement({ source, event: 'account-disabled' }));
      const data = { revocation_id: killed.revocations[0]!.id, restore_tokens: true };
      const waiting = await handle(aStatement({ source, event: 'revocation-lifted', data }));
      expect(await held().find(waiting.signalId)).toMatchObject({
        approvalsRequired: 2,
        atDeadline: 'discard',
      });
    });
  });
});
