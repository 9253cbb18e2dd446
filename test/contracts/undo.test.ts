import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAgentStore } from '../../src/adapters/postgres/agent-store.ts';
import { createRevocationReader } from '../../src/adapters/postgres/revocation-reader.ts';
import { parseKnownAs } from '../../src/core/known-as.ts';
import type { HandledSignal } from '../../src/core/handled-signal.ts';
import type { Match } from '../../src/core/revocation.ts';
import { agentName } from '../../src/core/vocabulary.ts';
import type { HandleSignal } from '../../src/pipeline/ports.ts';
import { forEachDatabase } from '../support/databases.ts';
import { aClient, aPipeline, aSource, aStatement } from '../support/statements.ts';

const silent = { announce: () => undefined };
const by = { actor: 'registrar', atMs: 1_763_764_000_000 };
const now = () => Math.floor(Date.now() / 1_000);
const undo = (handle: HandleSignal, { signalId }: HandledSignal) =>
  handle(aStatement({ event: 'revocation-lifted', data: { signal_id: signalId } }));

forEachDatabase('undo', (fixture) => {
  const live = async (match: Match) => {
    const reader = createRevocationReader({ database: fixture.database });
    return reader.list({ match, state: 'live' }, { limit: 9 });
  };

  const anAgent = async () => {
    const agents = createAgentStore({ database: fixture.database, announcer: silent });
    const name = agentName(`agent-${randomUUID().slice(0, 8)}`);
    const subject = aClient();
    const lists = { ownerIdentifiers: [], links: [], parents: [], protected: false };
    await agents.create({ ...lists, name, identities: [subject] }, by);
    return { name, subject, agents };
  };

  describe('DESIGN §5: undo lifts what one signal put, and leaves what others put', () => {
    it.each([true, false])('of two that were merged, in one transaction: %s', async (together) => {
      const { handle } = aPipeline(fixture.database);
      const { name, subject } = await anAgent();
      const [source, at] = [aSource(), now()];
      const sayEarly = () => handle(aStatement({ source, subject: { agent: name }, eventTime: at - 600 }));
      const sayLate = () => handle(aStatement({ source, subject, eventTime: at - 10 }));
      const running = handle(aStatement());
      const [early, late] = together
        ? await Promise.all([sayEarly(), sayLate()])
        : ([await sayEarly(), await sayLate()] as const);
      await running;
      const merged = await live(subject);
      expect(merged).toHaveLength(1);
      const cutOff = (merged[0]?.cutOff ?? 0) - 590;
      const undone = await undo(handle, late);
      expect(undone).toMatchObject({ lifted: [{ id: merged[0]?.id }], revocations: [{ cutOff }] });
      expect(await live(subject)).toEqual([
        expect.objectContaining({ cutOff, signalId: early.signalId, sourceId: source.id }),
      ]);
      await undo(handle, early);
      expect(await live(subject)).toEqual([]);
    });

    it('undoing the earlier one takes only its share, and the newest still ends the rest', async () => {
      const { handle } = aPipeline(fixture.database);
      const [source, subject, at] = [aSource(), aClient(), now()];
      const say = (ago: number) => handle(aStatement({ source, subject, eventTime: at - ago }));
      const [late, early, middle] = [await say(10), await say(600), await say(300)];
      const [before] = await live(subject);
      await undo(handle, early);
      expect(await live(subject)).toMatchObject([{ cutOff: before?.cutOff, signalId: late.signalId }]);
      await undo(handle, late);
      expect(await live(subject)).toMatchObject([{ signalId: middle.signalId }]);
      await undo(handle, middle);
      expect(await live(subject)).toEqual([]);
    });

    it('lifting the entry itself ends all of it', async () => {
      const { handle } = aPipeline(fixture.database);
      const [source, subject] = [aSource(), aClient()];
      await handle(aStatement({ source, subject, eventTime: now() - 60 }));
      const { revocations } = await handle(aStatement({ source, subject }));
      const data = { revocation_id: revocations[0]?.id ?? '' };
      await handle(aStatement({ event: 'revocation-lifted', data }));
      expect(await live(subject)).toEqual([]);
    });

    it('what stood because of both goes on binding until both are undone', async () => {
      const { handle } = aPipeline(fixture.database);
      const { name, agents } = await anAgent();
      const source = aSource();
      const say = (ago: number) =>
        handle(aStatement({ source, subject: { agent: name }, eventTime: now() - ago }));
      const [early, late] = [await say(600), await say(10)];
      await undo(handle, late);
      const [learnt, tooLate] = [aClient(), aClient()];
      expect(await agents.learn(name, learnt, by)).toHaveLength(1);
      expect(await live(learnt)).toMatchObject([{ signalId: early.signalId }]);
      await undo(handle, early);
      expect(await live(learnt)).toEqual([]);
      expect(await agents.learn(name, tooLate, by)).toEqual([]);
    });
  });

  it('DESIGN §9: who speaks for some issuers only undoes no kill that waits for whoever it may be', async () => {
    const { handle } = aPipeline(fixture.database);
    const subject = { format: 'email', email: `${randomUUID()}@example.com` };
    const iss = 'https://idp.example';
    const limited = aSource({ subjectIssuers: [iss] });
    const agents = createAgentStore({ database: fixture.database, announcer: silent });
    for (const [killer, bound] of [
      [aSource(), 1],
      [limited, 0],
    ] as const) {
      const { signalId } = await handle(aStatement({ source: killer, event: 'account-disabled', subject }));
      const data = { signal_id: signalId };
      await handle(aStatement({ source: limited, event: 'revocation-lifted', data }));
      const name = agentName(`agent-${randomUUID().slice(0, 8)}`);
      const lists = { ownerIdentifiers: [], parents: [], protected: false };
      const links = [parseKnownAs(subject, '')];
      const found = await agents.create({ ...lists, name, identities: [aClient()], links }, by);
      expect(found.filter((entry) => entry.signalId === signalId)).toHaveLength(bound);
      await agents.change(name, { links: [] }, by);
    }
  });
});
