import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { createAgentStore } from '../../src/adapters/postgres/agent-store.ts';
import { createHeldStore } from '../../src/adapters/postgres/held-store.ts';
import { createIdentityLinkStore } from '../../src/adapters/postgres/identity-link-store.ts';
import { createSourceStore } from '../../src/adapters/postgres/source-store.ts';
import type { AgentDraft } from '../../src/agents/ports.ts';
import { parseKnownAs } from '../../src/core/known-as.ts';
import type { Match } from '../../src/core/revocation.ts';
import { agentName } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aPipeline, aSource, aStatement } from '../support/statements.ts';

const aName = () => agentName(`agent-${randomUUID().slice(0, 8)}`);
const anIdentity = (): Match => ({ iss: 'https://idp.example', client_id: randomUUID() });
const anEmail = () => ({ format: 'email', email: `${randomUUID()}@example.com` });
const change = (actor = 'registrar') => ({ actor, atMs: Date.now() });
const silent = { announce: () => undefined };
const lists = { ownerIdentifiers: [], identities: [], links: [], parents: [] };

const guarded = (parts: Partial<AgentDraft> = {}): AgentDraft => ({
  ...lists,
  name: aName(),
  protected: true,
  ...parts,
});
const other = (parts: Partial<AgentDraft> = {}) => guarded({ ...parts, protected: false });

forEachDatabase('standing kills and protected agents', (fixture) => {
  const agents = () => createAgentStore({ database: fixture.database, announcer: silent });
  const links = () => createIdentityLinkStore({ database: fixture.database, announcer: silent });
  const handle = (...args: Parameters<ReturnType<typeof aPipeline>['handle']>) =>
    aPipeline(fixture.database).handle(...args);

  async function isDenied(match: Match): Promise<boolean> {
    const { rows } = await fixture.database.db.execute(sql`
      SELECT 1 FROM hub.revocations
       WHERE state = 'live' AND effect = 'deny' AND match = ${JSON.stringify(match)}::jsonb`);
    return rows.length > 0;
  }

  /** Of the newest change of this target. */
  async function withheld(target: string): Promise<unknown> {
    const { rows } = await fixture.database.db.execute(sql`
      SELECT detail -> 'withheld' AS withheld FROM hub.audit_log WHERE target = ${target} ORDER BY id DESC LIMIT 1`);
    return rows[0]?.['withheld'];
  }

  describe('DESIGN §9: a kill that was decided without knowing of a protected agent', () => {
    it('does not hit it when its identifier is linked to it, and the audit names the kill', async () => {
      const [linked, changed] = [anEmail(), anEmail()];
      const kills = [];
      for (const subject of [linked, changed])
        kills.push(await handle(aStatement({ event: 'account-disabled', subject })));
      const draft = guarded({ identities: [anIdentity()], links: [parseKnownAs(linked, '')] });
      expect(await agents().create(draft, change())).toEqual([]);
      expect(await withheld(`agent:${draft.name}`)).toEqual([kills[0]?.signalId]);
      const data = { 'new-value': changed.email };
      const said = aStatement({ event: 'identifier-changed', subject: linked, data });
      expect(await handle(said)).toMatchObject({ revocations: [] });
      expect(await withheld(`email:${linked.email}`)).toEqual([kills[1]?.signalId]);
      expect(await isDenied(draft.identities[0]!)).toBe(false);
    });

    it('nor when the identifier is linked to its key, or to what lies around or within it', async () => {
      const key = anIdentity();
      await agents().create(guarded({ identities: [{ ...key, sub: 'vault' }] }), change());
      for (const match of [
        { ...key, sub: 'vault' },
        key,
        { ...key, sub: 'vault', workload: 'spiffe://a/b' },
      ]) {
        const subject = anEmail();
        await handle(aStatement({ event: 'account-disabled', subject }));
        expect(await links().put({ ...parseKnownAs(subject, ''), match }, change())).toEqual([]);
        expect(await isDenied(match)).toBe(false);
      }
    });

    it('nor when it becomes a descendant; what is not protected is hit', async () => {
      const root = other({ identities: [anIdentity()] });
      await agents().create(root, change());
      await handle(aStatement({ event: 'build-untrusted', subject: { agent: root.name } }));
      const parents = [root.name];
      const [vault, worker] = [
        guarded({ identities: [anIdentity()], parents }),
        other({ identities: [anIdentity()], parents }),
      ];
      expect(await agents().create(vault, change())).toEqual([]);
      expect(await agents().create(worker, change())).toHaveLength(1);
    });

    it('sent again, it waits for two persons', async () => {
      const subject = anEmail();
      const source = aSource();
      await handle(aStatement({ source, event: 'account-disabled', subject }));
      await agents().create(
        guarded({ identities: [anIdentity()], links: [parseKnownAs(subject, '')] }),
        change(),
      );
      const again = await handle(aStatement({ source, event: 'account-disabled', subject }));
      expect(again).toMatchObject({ outcome: 'held', revocations: [] });
    });

    it('hits it as soon as it is not protected any more', async () => {
      const subject = anEmail();
      const killed = await handle(aStatement({ event: 'account-disabled', subject }));
      const draft = guarded({ identities: [anIdentity()], links: [parseKnownAs(subject, '')] });
      await agents().create(draft, change());
      const bound = await agents().change(draft.name, { protected: false }, change());
      expect(bound).toMatchObject([{ match: draft.identities[0], signalId: killed.signalId }]);
    });
  });

  describe('DESIGN §5: what is learnt under a protected agent is denied', () => {
    it('by a kill that hit it before it was protected', async () => {
      const root = other({ identities: [anIdentity()] });
      await agents().create(root, change());
      await handle(aStatement({ event: 'build-untrusted', subject: { agent: root.name } }));
      const late = other({ identities: [anIdentity()], parents: [root.name] });
      await agents().create(late, change());
      for (const { name } of [root, late]) {
        await agents().change(name, { protected: true }, change());
        const learnt = anIdentity();
        await agents().learn(name, learnt, change());
        expect(await isDenied(learnt)).toBe(true);
      }
    });

    it('by one that two persons approved, also when it had no key yet', async () => {
      const { database } = fixture;
      const root = other({ identities: [anIdentity()] });
      const vault = guarded({ parents: [root.name] });
      for (const draft of [root, vault]) await agents().create(draft, change());
      const source = aSource();
      await createSourceStore({ database, announcer: silent }).put(source, change());
      const subject = { agent: root.name };
      const { signalId } = await handle(aStatement({ source, event: 'build-untrusted', subject }));
      const held = createHeldStore({ database, announcer: silent });
      await held.approve(signalId, change('mara'));
      const approved = await held.approve(signalId, change('ivo'));
      if (!approved?.enough) throw new Error('two approvals are enough');
      await handle(approved.statement, { released: { signalId, by: 'ivo' } });
      const learnt = anIdentity();
      await agents().learn(vault.name, learnt, change());
      expect(await isDenied(learnt)).toBe(true);
    });
  });
});
