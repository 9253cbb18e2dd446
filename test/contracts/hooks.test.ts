import { expect, it } from 'vitest';
import { createHookStore } from '../../src/adapters/postgres/hook-store.ts';
import { createSourceStore } from '../../src/adapters/postgres/source-store.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { sourceDefaults } from '../../src/core/source.ts';
import { sourceId } from '../../src/core/vocabulary.ts';
import type { Hook } from '../../src/hooks/ports.ts';
import { forEachDatabase } from '../support/databases.ts';

const atMs = 1_763_764_000_000;
const change = { actor: 'mara', atMs, correlationId: 'req-1' };
const nothing = { accepted: 0, ignored: 0, failed: 0, refused: 0 };

const aHook = (name: string, more: Partial<Hook> = {}): Hook => ({
  id: sourceId(name),
  kind: 'github',
  options: { issuer: 'https://login.example' },
  mapping: '$signal($)',
  secrets: [
    { value: 'the newest one', sinceMs: atMs },
    { value: 'the one before', sinceMs: atMs - 1 },
  ],
  createdAtMs: atMs,
  updatedAtMs: atMs,
  ...more,
});

forEachDatabase('hooks', (fixture) => {
  const announced: string[] = [];
  const sealed: string[] = [];
  const storeWith = (key: string) =>
    createHookStore({
      database: fixture.database,
      announcer: { announce: (topic) => void announced.push(topic) },
      sealer: createSealer(Buffer.alloc(32, key)),
      onSealed: (hook) => void sealed.push(hook),
    });
  const store = () => storeWith('k');

  it('give back what was put, with their source; are replaced, counted and removed, each change announced and audited', async () => {
    const hook = aHook('github');
    expect(await store().put(hook.id, () => hook, change)).toBe('created');
    expect(await store().find(hook.id)).toEqual({
      ...hook,
      source: { id: hook.id, ...sourceDefaults },
      activity: nothing,
    });
    const bare: Hook = {
      id: hook.id,
      kind: 'falco',
      options: {},
      secrets: [],
      createdAtMs: atMs,
      updatedAtMs: atMs + 1,
    };
    let before: Hook | undefined;
    const make = (there: Hook | undefined) => {
      before = there;
      return bare;
    };
    expect(await store().put(hook.id, make, change)).toBe('replaced');
    expect(before).toEqual(hook);
    const lastFailure = { atMs, code: 'mapping-error', text: 'why' };
    await store().addActivity(
      new Map([
        [hook.id, { ...nothing, accepted: 2, lastAcceptedAtMs: atMs }],
        [sourceId('gone'), { ...nothing, failed: 1 }],
      ]),
    );
    await store().addActivity(new Map([[hook.id, { ...nothing, accepted: 1, failed: 1, lastFailure }]]));
    expect(await store().find(hook.id)).toMatchObject({
      ...bare,
      activity: { accepted: 3, ignored: 0, failed: 1, refused: 0, lastAcceptedAtMs: atMs, lastFailure },
    });
    expect([await store().remove(hook.id, change), await store().remove(hook.id, change)]).toEqual([
      true,
      false,
    ]);
    expect(await store().find(hook.id)).toBeUndefined();
    expect(announced).toEqual(['tokens', 'tokens', 'tokens', 'tokens']);
    const { rows } = await fixture.database.pool.query<{ action: string; detail: string }>(
      "SELECT action, detail::text FROM hub.audit_log WHERE target = 'github' ORDER BY id",
    );
    expect(rows.map(({ action }) => action)).toEqual([
      'source.added',
      'hook.added',
      'hook.changed',
      'hook.removed',
    ]);
    expect(JSON.stringify(rows)).not.toContain('newest one');
  });

  it('are paged by name; a name that makes nothing changes nothing', async () => {
    for (const name of ['b', 'a']) await store().put(sourceId(name), () => aHook(name), change);
    const ids = async (page: { readonly after?: string; readonly limit: number }) =>
      (await store().list(page)).map(({ id }) => id);
    expect([await ids({ limit: 1 }), await ids({ after: 'a', limit: 5 })]).toEqual([['a'], ['b']]);
    const refuse = () => {
      throw new Error('no');
    };
    await expect(store().put(sourceId('c'), refuse, change)).rejects.toThrow('no');
    expect(await ids({ limit: 5 })).toEqual(['a', 'b']);
  });

  it('speak for no person', async () => {
    const sources = createSourceStore({
      database: fixture.database,
      announcer: { announce: () => undefined },
    });
    await sources.put({ id: sourceId('mara'), ...sourceDefaults, person: true }, change);
    await expect(store().put(sourceId('mara'), () => aHook('mara'), change)).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await store().find(sourceId('mara'))).toBeUndefined();
  });

  it('whose secrets do not open have none, and that is told', async () => {
    await store().put(sourceId('locked'), () => aHook('locked'), change);
    expect(await storeWith('x').find(sourceId('locked'))).toMatchObject({ secrets: [] });
    expect(sealed).toEqual(['locked']);
  });
});
