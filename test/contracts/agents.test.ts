import { describe, expect, it, vi } from 'vitest';
import { createAgentStore } from '../../src/adapters/postgres/agent-store.ts';
import { createIdentityLinkStore } from '../../src/adapters/postgres/identity-link-store.ts';
import type { AgentDraft } from '../../src/agents/ports.ts';
import { parseKnownAs } from '../../src/core/known-as.ts';
import { agentName, identifier } from '../../src/core/vocabulary.ts';
import { forEachDatabase } from '../support/databases.ts';

const iss = 'https://login.example';
const change = { actor: 'mara', atMs: 1_763_764_000_000 };
const email = (address: string) => parseKnownAs({ format: 'email', email: address }, '');
const draft = (name: string, more: Partial<AgentDraft> = {}): AgentDraft => ({
  name: agentName(name),
  ownerIdentifiers: [],
  identities: [],
  links: [],
  parents: [],
  protected: false,
  ...more,
});

forEachDatabase('agents', (fixture) => {
  const open = () => {
    const announcer = { announce: vi.fn<(topic: string) => void>() };
    return {
      announcer,
      store: createAgentStore({ database: fixture.database, announcer }),
      links: createIdentityLinkStore({ database: fixture.database, announcer }),
    };
  };

  it('gives back what was registered, with the other end of its lineage', async () => {
    const { store } = open();
    const runner = draft('build-runner', {
      description: 'builds',
      owner: 'Mara',
      ownerIdentifiers: [email('mara@example.com')],
      identities: [{ iss, client_id: 'build-runner' }, { jkt: 'A'.repeat(43) }],
      links: [email('build-runner@example.com')],
      protected: true,
    });
    expect(await store.create(runner, change)).toEqual([]);
    await store.create(draft('report-writer', { parents: [runner.name] }), change);

    const found = await store.find(runner.name);
    expect(found).toMatchObject({
      ...runner,
      identities: expect.arrayContaining([...runner.identities]),
      children: ['report-writer'],
      status: 'active',
      liveRevocations: 0,
    });
    expect((await store.find(agentName('report-writer')))?.parents).toEqual(['build-runner']);
    expect((await store.list({ limit: 1 })).map((agent) => agent.name)).toEqual(['build-runner']);
    expect((await store.list({ after: 'build-runner', limit: 9 })).map((agent) => agent.name)).toEqual([
      'report-writer',
    ]);
  });

  it('changes what is given, replaces whole lists, and leaves the rest', async () => {
    const { store } = open();
    await store.create(draft('patched', { owner: 'Mara', identities: [{ iss, client_id: 'old' }] }), change);
    await store.change(agentName('patched'), { identities: [{ iss, client_id: 'new' }] }, change);
    await store.learn(agentName('patched'), { iss, client_id: 'newer' }, change);

    expect(await store.find(agentName('patched'))).toMatchObject({
      owner: 'Mara',
      identities: [
        { iss, client_id: 'new' },
        { iss, client_id: 'newer' },
      ],
    });
    expect(await store.change(agentName('nobody'), { owner: 'x' }, change)).toBeUndefined();
    expect(await store.learn(agentName('nobody'), { iss, client_id: 'x' }, change)).toBeUndefined();
  });

  it('says so when an agent is retired, once', async () => {
    const { store } = open();
    await store.create(draft('retiring'), change);
    expect(await store.retire(agentName('retiring'), change)).toBe(true);
    expect(await store.retire(agentName('retiring'), change)).toBe(false);
    expect((await store.find(agentName('retiring')))?.status).toBe('retired');
  });

  describe('what belongs to one agent', () => {
    it('is refused to another, and nothing of the refused change stays', async () => {
      const { store, links } = open();
      await store.create(
        draft('holder', { identities: [{ iss, client_id: 'held' }], links: [email('held@example.com')] }),
        change,
      );
      const conflict = (path: string): unknown =>
        expect.objectContaining({ code: 'conflict', errors: [expect.objectContaining({ path })] });

      await expect(store.create(draft('holder'), change)).rejects.toEqual(conflict('/name'));
      await expect(
        store.create(draft('thief', { identities: [{ client_id: 'held', iss }] }), change),
      ).rejects.toEqual(conflict('/identities'));
      await expect(
        store.create(draft('thief', { links: [email('held@EXAMPLE.com')] }), change),
      ).rejects.toEqual(conflict('/links'));
      await expect(
        links.put({ ...email('held@example.com'), match: { iss, sub: 'u' } }, change),
      ).rejects.toEqual(conflict('/subject'));
      expect(await store.find(agentName('thief'))).toBeUndefined();
    });
  });

  describe('lineage', () => {
    it('refuses unknown parents, circles and lines deeper than named', async () => {
      const { store } = open();
      await expect(store.create(draft('orphan', { parents: [agentName('nobody')] }), change)).rejects.toEqual(
        expect.objectContaining({
          code: 'unknown-agent',
          errors: [{ path: '/parents/0', message: 'is unknown' }],
        }),
      );
      for (let depth = 0; depth <= 8; depth += 1) {
        await store.create(
          draft(`line-${depth}`, depth === 0 ? {} : { parents: [agentName(`line-${depth - 1}`)] }),
          change,
        );
      }
      const refused = expect.objectContaining({ code: 'cyclic-parents' });
      await expect(store.create(draft('line-9', { parents: [agentName('line-8')] }), change)).rejects.toEqual(
        refused,
      );
      for (const ancestor of ['line-0', 'line-4', 'line-8']) {
        await expect(
          store.change(agentName(ancestor), { parents: [agentName('line-8')] }, change),
        ).rejects.toEqual(refused);
      }
      expect((await store.find(agentName('line-4')))?.parents).toEqual(['line-3']);
    });
  });

  it('keeps links of those who are no agents apart', async () => {
    const { links } = open();
    const link = { ...email('u-17@example.com'), match: { iss, sub: 'u-17' } };
    expect(await links.put(link, change)).toEqual([]);
    await links.put({ ...link, match: { iss, sub: 'u-18' } }, change);
    expect(await links.list({ limit: 9 })).toEqual([{ ...link, match: { iss, sub: 'u-18' } }]);
    expect(await links.remove(link.identifier, change)).toBe(true);
    expect(await links.remove(identifier('email:held@example.com'), change)).toBe(false);
  });
});
