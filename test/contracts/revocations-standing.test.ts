import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { createAgentStore } from '../../src/adapters/postgres/agent-store.ts';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { createIdentityLinkStore } from '../../src/adapters/postgres/identity-link-store.ts';
import type { AgentDraft } from '../../src/agents/ports.ts';
import { parseKnownAs } from '../../src/core/known-as.ts';
import type { Match } from '../../src/core/revocation.ts';
import { type AgentName, agentName } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aPipeline, aSource, aStatement } from '../support/statements.ts';

const aName = () => agentName(`agent-${randomUUID().slice(0, 8)}`);
const anIdentity = (): Match => ({ iss: 'https://idp.example', client_id: randomUUID() });
const anEmail = () => ({ format: 'email', email: `${randomUUID()}@example.com` });
const change = () => ({ actor: 'registrar', atMs: Date.now() });
const silent = { announce: () => undefined };

const anAgent = (parts: Partial<AgentDraft> & { readonly name: AgentName }): AgentDraft => ({
  ownerIdentifiers: [],
  identities: [],
  links: [],
  parents: [],
  protected: false,
  ...parts,
});

function registries(database: Database) {
  return {
    agents: createAgentStore({ database, announcer: silent }),
    links: createIdentityLinkStore({ database, announcer: silent }),
  };
}

/** How many live denials hold for exactly this. */
async function denials(database: Database, match: Match): Promise<number> {
  const { rows } = await database.db.execute(sql`
    SELECT count(*)::int AS n FROM hub.revocations
     WHERE state = 'live' AND effect = 'deny' AND seq > 0 AND match = ${JSON.stringify(match)}::jsonb`);
  return Number(rows[0]?.['n']);
}

async function audited(database: Database, txn: string) {
  const rows = sql`SELECT action, target FROM hub.audit_log WHERE txn = ${txn} ORDER BY id`;
  return (await database.db.execute(rows)).rows;
}

forEachDatabase('standing kills', (fixture) => {
  describe('DESIGN §5: kills bind late', () => {
    it('an identity learnt under a disabled agent is refused in the transaction that learns it', async () => {
      const { database } = fixture;
      const { agents } = registries(database);
      const name = aName();
      await agents.create(anAgent({ name, identities: [anIdentity()] }), change());
      const { handle } = aPipeline(database);
      const killed = await handle(aStatement({ event: 'build-untrusted', subject: { agent: name } }));
      const learnt = anIdentity();
      const bound = await agents.learn(name, learnt, change());
      expect(bound).toEqual([expect.objectContaining({ match: learnt, signalId: killed.signalId })]);
      expect(await denials(database, learnt)).toBe(1);
      await agents.change(name, { description: 'the same agent' }, change());
      expect(await denials(database, learnt)).toBe(1);
    });

    it('also one that is broader than what the kill has put, by a client or by an issuer', async () => {
      const { database } = fixture;
      const { agents } = registries(database);
      const jkt = createHash('sha256').update(randomUUID()).digest('base64url');
      const iss = 'https://idp.example';
      const cases: readonly (readonly [Match, Match])[] = [
        [{ ...anIdentity(), sub: 'u1' }, {}],
        [{ iss, jkt }, { jkt }],
      ];
      for (const [narrow, given] of cases) {
        const { sub: _, ...client } = narrow;
        const broad = given.jkt === undefined ? client : given;
        const name = aName();
        await agents.create(anAgent({ name, identities: [narrow] }), change());
        const { handle } = aPipeline(database);
        await handle(aStatement({ event: 'build-untrusted', subject: { agent: name } }));
        await agents.learn(name, broad, change());
        expect(await denials(database, broad)).toBe(1);
      }
    });

    it('so is a child, and what is learnt under a grandchild; a stranger is not', async () => {
      const { database } = fixture;
      const { agents } = registries(database);
      const [parent, child, grandchild, stranger] = [aName(), aName(), aName(), aName()];
      await agents.create(anAgent({ name: parent, identities: [anIdentity()] }), change());
      const [ofChild, ofGrandchild, ofStranger] = [anIdentity(), anIdentity(), anIdentity()];
      await agents.create(anAgent({ name: child, identities: [ofChild] }), change());
      await agents.create(anAgent({ name: grandchild, parents: [child] }), change());
      const { handle } = aPipeline(database);
      await handle(aStatement({ event: 'build-untrusted', subject: { agent: parent } }));
      expect(await denials(database, ofChild)).toBe(0);
      await agents.change(child, { parents: [parent] }, change());
      expect(await denials(database, ofChild)).toBe(1);
      await agents.learn(grandchild, ofGrandchild, change());
      expect(await denials(database, ofGrandchild)).toBe(1);
      await agents.create(anAgent({ name: stranger, identities: [ofStranger] }), change());
      expect(await denials(database, ofStranger)).toBe(0);
    });

    it('an identifier that nobody knew is refused as soon as it is linked, to a key or to an agent', async () => {
      const { database } = fixture;
      const { agents, links } = registries(database);
      const { handle } = aPipeline(database);
      const [one, other] = [anEmail(), anEmail()];
      for (const subject of [one, other]) {
        const handled = await handle(aStatement({ event: 'account-disabled', subject }));
        expect(handled).toMatchObject({ outcome: 'unresolved', revocations: [] });
      }
      const match = anIdentity();
      await links.put({ ...parseKnownAs(one, ''), match }, change());
      expect(await denials(database, match)).toBe(1);
      const identity = anIdentity();
      const draft = anAgent({ name: aName(), identities: [identity], links: [parseKnownAs(other, '')] });
      await agents.create(draft, change());
      expect(await denials(database, identity)).toBe(1);
    });

    it('an identifier that is linked to the key of an agent is that agent, with its children', async () => {
      const { database } = fixture;
      const { agents, links } = registries(database);
      const { handle } = aPipeline(database);
      const subject = anEmail();
      await handle(aStatement({ event: 'account-disabled', subject }));
      const [name, match, other, ofChild, learnt] = [
        aName(),
        anIdentity(),
        anIdentity(),
        anIdentity(),
        anIdentity(),
      ];
      await agents.create(anAgent({ name, identities: [match, other] }), change());
      await agents.create(anAgent({ name: aName(), parents: [name], identities: [ofChild] }), change());
      await links.put({ ...parseKnownAs(subject, ''), match }, change());
      await agents.learn(name, learnt, change());
      for (const hit of [match, other, ofChild, learnt]) expect(await denials(database, hit)).toBe(1);
    });

    it('what was lifted is not put again by the next change, and with the last entry the kill ends', async () => {
      const { database } = fixture;
      const { agents } = registries(database);
      const name = aName();
      const [first, second, third] = [anIdentity(), anIdentity(), anIdentity()];
      await agents.create(anAgent({ name, identities: [first, second] }), change());
      const { handle } = aPipeline(database);
      const source = aSource({ person: true });
      const killed = await handle(aStatement({ source, event: 'build-untrusted', subject: { agent: name } }));
      const lift = (id: string) =>
        handle(
          aStatement({
            source,
            event: 'revocation-lifted',
            data: { revocation_id: id, restore_tokens: false },
          }),
        );
      const [one, other] = killed.revocations;
      await lift(one!.id);
      await agents.change(name, { description: 'looked at' }, change());
      const disables = sql`SELECT count(*)::int AS n FROM hub.revocations WHERE state = 'live' AND cut_off IS NULL AND agent = ${name}`;
      expect((await database.db.execute(disables)).rows).toEqual([{ n: 1 }]);
      await lift(other!.id);
      await agents.learn(name, third, change());
      expect(await denials(database, third)).toBe(0);
    });

    it('undoing the signal ends it, too, also when both of its entries are lifted at once', async () => {
      const { database } = fixture;
      const { agents } = registries(database);
      for (const atOnce of [false, true]) {
        const name = aName();
        await agents.create(anAgent({ name, identities: [anIdentity(), anIdentity()] }), change());
        const { handle } = aPipeline(database);
        const killed = await handle(aStatement({ event: 'build-untrusted', subject: { agent: name } }));
        const orders = atOnce
          ? killed.revocations.map(({ id }) => ({ revocation_id: id }))
          : [{ signal_id: killed.signalId }];
        const said = orders.map((data) =>
          aStatement({ event: 'revocation-lifted', source: aSource(), data }),
        );
        // The first of all runs alone; those behind it share a transaction.
        await Promise.all([aStatement(), ...said].map((statement) => handle(statement)));
        const learnt = anIdentity();
        await agents.learn(name, learnt, change());
        expect(await denials(database, learnt)).toBe(0);
      }
    });

    it('an identity learnt and a kill decided at the same moment do not miss each other', async () => {
      const { database } = fixture;
      const { agents } = registries(database);
      const { handle } = aPipeline(database);
      for (let round = 0; round < 10; round++) {
        const name = aName();
        await agents.create(anAgent({ name, identities: [anIdentity()] }), change());
        const learnt = anIdentity();
        const source = aSource();
        const work = [
          () => handle(aStatement({ source, event: 'build-untrusted', subject: { agent: name } })),
          () => agents.learn(name, learnt, change()),
        ];
        await Promise.all((round % 2 ? work : work.toReversed()).map((run) => run()));
        expect(await denials(database, learnt)).toBe(1);
      }
    });
  });

  it('DESIGN §9: an agent is also protected from who names it by an identifier that is linked to its key', async () => {
    const { database } = fixture;
    const { agents, links } = registries(database);
    const { handle } = aPipeline(database);
    const [name, match, ofChild, subject] = [aName(), anIdentity(), anIdentity(), anEmail()];
    await agents.create(anAgent({ name, identities: [match], protected: true }), change());
    await agents.create(anAgent({ name: aName(), parents: [name], identities: [ofChild] }), change());
    await links.put({ ...parseKnownAs(subject, ''), match }, change());
    const guarded = await handle(aStatement({ event: 'build-untrusted', subject }));
    expect(guarded).toMatchObject({ outcome: 'held', revocations: [{ match: ofChild }] });
    await agents.change(name, { protected: false }, change());
    const killed = await handle(aStatement({ event: 'build-untrusted', subject }));
    expect(killed).toMatchObject({ outcome: 'applied', agents: expect.arrayContaining([name]) });
    expect(await denials(database, ofChild)).toBe(1);
  });

  it.each(['key', 'agent'] as const)(
    'RISC §2.5: a changed identifier takes its link to a %s along, and binds what stands for its new value',
    async (what) => {
      const { database } = fixture;
      const { agents, links } = registries(database);
      const { handle, announced } = aPipeline(database);
      const [before, after] = [anEmail(), anEmail()];
      const match = anIdentity();
      const link = parseKnownAs(before, '');
      if (what === 'key') await links.put({ ...link, match }, change());
      else await agents.create(anAgent({ name: aName(), identities: [match], links: [link] }), change());
      await handle(aStatement({ event: 'account-disabled', subject: after }));
      const data = { 'new-value': after.email };
      const renamed = await handle(aStatement({ event: 'identifier-changed', subject: before, data }));
      expect(await denials(database, match)).toBe(1);
      expect(renamed.revocations).toMatchObject([{ match, effect: 'deny' }]);
      expect(renamed.lastSeq).toBe(Number(renamed.revocations[0]?.position?.split('-')[1]));
      expect(announced.at(-1)).toBe('feed');
      expect(await audited(database, renamed.txn)).toEqual([
        { action: 'signal.accepted', target: renamed.signalId },
        { action: 'identity-link.renamed', target: `email:${before.email}` },
        { action: 'revocation.put', target: renamed.revocations[0]?.id },
      ]);
      const forgotten = await handle(aStatement({ event: 'identifier-recycled', subject: after }));
      expect(await audited(database, forgotten.txn)).toEqual([
        { action: 'signal.accepted', target: forgotten.signalId },
        { action: 'identity-link.forgotten', target: `email:${after.email}` },
      ]);
      const told = await handle(aStatement({ event: 'account-disabled', subject: after, source: aSource() }));
      expect(told.outcome).toBe('unresolved');
    },
  );

  it('a kill that arrives together with the change of an identifier is decided by its new value', async () => {
    const { database } = fixture;
    const { links } = registries(database);
    const { handle } = aPipeline(database);
    const [before, after, match] = [anEmail(), anEmail(), anIdentity()];
    await links.put({ ...parseKnownAs(before, ''), match }, change());
    const first = handle(aStatement({ event: 'session-established' }));
    const data = { 'new-value': after.email };
    const renamed = handle(aStatement({ event: 'identifier-changed', subject: before, data }));
    const killed = await handle(aStatement({ event: 'build-untrusted', subject: after }));
    await Promise.all([first, renamed]);
    expect(killed).toMatchObject({ outcome: 'applied', revocations: [{ match }] });
  });

  it('a repeated kill with a cut-off stands once', async () => {
    const { database } = fixture;
    const { agents } = registries(database);
    const name = aName();
    await agents.create(anAgent({ name, identities: [anIdentity()] }), change());
    const { handle } = aPipeline(database);
    const source = aSource();
    for (let n = 0; n < 3; n++) {
      await handle(aStatement({ source, event: 'session-revoked', subject: { agent: name } }));
    }
    const standing = sql`SELECT count(*)::int AS n FROM hub.standing_kills WHERE state = 'standing' AND agent = ${name}`;
    expect((await database.db.execute(standing)).rows).toEqual([{ n: 1 }]);
  });
});
